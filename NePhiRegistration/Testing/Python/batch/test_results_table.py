import csv
import json

import pytest
from test_case_record import record
from test_output_folder import RECIPE

from NePhiBatch.case_record import FAILED
from NePhiBatch.manifest import Problem
from NePhiBatch.results_table import COLUMNS, refused_row, row_of, write_results
from NePhiCore.errors import OutputError
from NePhiCore.evaluation_table import COLUMNS as EVALUATION_COLUMNS

REPORT = {
    "seconds": 12.25,
    "peak_memory_bytes": 3 * 2**20,
    "device": "cpu",
    "similarity": {
        "before": {"local_ncc": 0.1, "mean_absolute_difference_hu": 200.0},
        "after": {"local_ncc": 0.9, "mean_absolute_difference_hu": 50.0},
    },
    "jacobian": {"voxels": 1000, "folds_any_one_sided": 5, "fold_fraction_any_one_sided": 0.005, "min": -0.25},
    "inverse_consistency_mm": {"mean": 0.125, "p95": 0.5},
    "lung_volume_litres": {"fixed": 3.0, "moving": 5.0},
    "lung_overlap_dice": {"before": 0.8, "after": 0.95},
    "warnings": [{"code": "folds", "message": "the map folds"}],
    "lung_function": {"prm_emphysema_percent": 12.5, "ventilation_jacobian_mean_left": None},
}


@pytest.fixture
def done(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    return record(RECIPE), tmp_path


def test_a_row_holds_the_figures_of_the_report(done):
    row = row_of(*done)
    assert row["folds_one_sided_percent"] == 0.5
    assert (row["peak_memory_mib"], row["seconds"], row["warnings"], row["attempts"]) == (3.0, 12.25, 1, 1)
    assert (row["local_ncc_before"], row["local_ncc"], row["det_min"]) == (0.1, 0.9, -0.25)
    assert (row["lung_volume_moving_litres"], row["prm_emphysema_percent"]) == (5.0, 12.5)
    assert row["tre_mean_mm"] is None


def test_landmarks_are_taken_where_there_are_such(done):
    tre = {"landmarks": 3, "before": {"mean": 20.0}, "after": {"mean": 1.5, "p95": 3.0}}
    (done[1] / "report.json").write_text(json.dumps({**REPORT, "tre_mm": tre}))
    row = row_of(*done)
    assert (row["landmarks"], row["tre_before_mean_mm"], row["tre_mean_mm"], row["tre_p95_mm"]) == (3, 20.0, 1.5, 3.0)


def test_a_failure_has_its_reason_and_no_figures(tmp_path):
    row = row_of(record(RECIPE, status=FAILED, reason="no lungs"), tmp_path)
    assert (row["status"], row["reason"], row["seconds"]) == ("failed", "no lungs", 1.5)
    assert refused_row(Problem(7, "B", "no moving image")) == {
        "case": "B",
        "status": "refused",
        "reason": "line 7: no moving image",
    }


def test_warnings_are_there_by_their_codes(done):
    again = [{"code": code, "message": "see there"} for code in ("not_inverse", "folds", "folds")]
    (done[1] / "report.json").write_text(json.dumps({**REPORT, "warnings": again}))
    row = row_of(*done)
    assert (row["warnings"], row["warning_codes"]) == (3, "not_inverse folds")


def test_the_table_says_neither_where_data_lie_nor_on_which_machine(done):
    assert refused_row(Problem(7, "B", "fixed: /data/DOE JOHN/ct.nii does not exist."))["reason"] == (
        "line 7: fixed: ct.nii does not exist."
    )
    assert record(RECIPE).worker not in map(str, row_of(*done).values())


def test_a_name_that_is_no_text_does_not_keep_the_others_out(tmp_path):
    write_results(tmp_path / "results.csv", [{"case": "B", "status": "failed", "reason": "\udce4.dcm is damaged"}])
    assert "\\udce4.dcm is damaged" in (tmp_path / "results.csv").read_text(encoding="utf-8")


def test_the_table_keeps_commas_quotes_and_lines_apart(tmp_path, done):
    reason = 'a "b", c'
    write_results(tmp_path / "results.csv", [row_of(*done), {"case": "B", "status": "failed", "reason": reason}])
    content = (tmp_path / "results.csv").read_bytes()
    assert content.endswith(b"\n") and b"\r" not in content
    with (tmp_path / "results.csv").open(newline="") as file:
        first, second = csv.DictReader(file, strict=True)
    assert tuple(first) == COLUMNS
    assert (first["seconds"], first["tre_mean_mm"], second["reason"], second["seconds"]) == ("12.25", "", reason, "")


def test_a_table_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    write_results(tmp_path / "results.csv", [])
    before = (tmp_path / "results.csv").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("NePhiCore.output_files.os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_results(tmp_path / "results.csv", [{"case": "A"}])
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*results*")} == {"results.csv": before}


def test_columns_are_called_what_the_evaluation_calls_them():
    own = {*EVALUATION_COLUMNS} - {
        column for column in EVALUATION_COLUMNS if "snapped" in column or "before_" in column
    }
    assert own - {*COLUMNS} == {"error"}
