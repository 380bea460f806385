"""`nephi evaluate` as a user runs it: a CSV of pairs, a folder of DIR-Lab, and what can go wrong on the way."""

import csv
import json
import signal
import sys

import numpy as np
import pytest
from command_cases import (
    MILLIMETRES_OFF,
    SHIFT_RAS_MM,
    files_in,
    quick_registration,
    run,
    write_pair,
)
from dirlab_folders import coarse_sizes, write_copdgene_case, write_image

from NePhiCore import evaluate_command, evaluation_cases
from NePhiCore.evaluation_table import COLUMNS
from NePhiCore.transform_io import read_displacement

HEADER = "name,fixed,moving,fixed_mask,moving_mask,fixed_landmarks,moving_landmarks\n"
COMPLETE = "fixed.nii.gz,moving.nii.gz,fixed_mask.nii.gz,moving_mask.nii.gz,fixed.csv,moving.csv\n"
NO_LANDMARKS = "fixed.nii.gz,moving.nii.gz,fixed_mask.nii.gz,moving_mask.nii.gz,,\n"
MISSING = "none.nii.gz,moving.nii.gz,,,,\n"


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder with a small pair and a table that names it twice."""
    folder = write_pair(tmp_path_factory.mktemp("pairs"))
    (folder / "pairs.csv").write_text(f"{HEADER}first,{COMPLETE}second,{NO_LANDMARKS}")
    (folder / "broken.csv").write_text(f"{HEADER}first,{COMPLETE}bad,{MISSING}last,{COMPLETE}")
    return folder


def arguments(source, output, *more, model=None) -> list[str]:
    """Of a run that takes a second; the model lies beside the table if it is not given."""
    model = model or source.parent / "small.pt"
    options = ["--preset", "fast", "--grid-spacing", "8", "--model", str(model)]
    return ["evaluate", str(source), "--output", str(output), *options, *map(str, more)]


def rows_in(folder) -> dict[str, dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def evaluated(pairs, tmp_path_factory):
    """The results of a run with everything that can be asked for, and what it printed."""
    folder = tmp_path_factory.mktemp("results") / "new" / "folder"
    return folder, run(arguments(pairs / "pairs.csv", folder, "--plot", "--keep-transforms"))


def test_leaves_the_results_and_nothing_else(evaluated):
    folder, finished = evaluated
    assert finished.code == 0, finished.err
    assert set(files_in(folder)) == {
        *("results.csv", "results.png", "settings.json"),
        *(f"{case}_{what}.h5" for case in ("first", "second") for what in ("transform", "inverse")),
    }
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")


def test_the_csv_measures_each_case_and_the_mean(evaluated):
    rows = rows_in(evaluated[0])
    assert list(rows) == ["first", "second", "mean"]
    assert tuple(rows["first"]) == COLUMNS
    before = np.linalg.norm(SHIFT_RAS_MM + (0, 0, MILLIMETRES_OFF))
    for case in ("first", "mean"):
        assert float(rows[case]["tre_before_mean_mm"]) == pytest.approx(before, abs=1e-3)
        assert float(rows[case]["tre_mean_mm"]) == pytest.approx(MILLIMETRES_OFF, abs=1e-3)
    assert rows["second"]["tre_mean_mm"] == ""
    assert float(rows["second"]["sd_log_j"]) == pytest.approx(0, abs=1e-4)


def test_the_table_and_the_summary_are_printed(evaluated):
    lines = evaluated[1].out.splitlines()
    assert lines[0].startswith("Registered 2 of 2 cases of csv in ") and lines[0].endswith("(fast, 0 iterations, cpu).")
    assert [line.split()[0] for line in lines[1:5]] == ["case", "first", "second", "mean"]
    assert "3.00" in lines[2].split()
    assert lines[-1] == "Written: results.csv, settings.json, results.png, and two transforms a case"


def test_progress_goes_over_all_cases(evaluated):
    lines = evaluated[1].err.splitlines()
    shares = [int(line.split("%")[0].split()[-1]) for line in lines]
    assert shares == sorted(shares) and shares[-1] > 80
    steps = [line.split(": ")[-1] for line in lines]
    assert steps[0] == "starting"
    assert {"first, reading", "first, quality", "second, reading", "second, quality"} <= set(steps)


def test_the_settings_say_what_made_the_results(evaluated):
    about = json.loads((evaluated[0] / "settings.json").read_text())
    assert (about["dataset"], about["source"], about["fixed"]) == ("csv", "pairs.csv", None)
    assert about["cases"] == ["first", "second"]
    assert (about["model"], about["device"], about["seed"]) == ("small.pt", "cpu", 0)
    assert len(about["model_sha256"]) == 64
    assert (about["settings"]["preset"], about["settings"]["grid_spacing_mm"]) == ("fast", 8.0)


@pytest.mark.parametrize(("name", "sign"), [("first_transform.h5", 1), ("second_inverse.h5", -1)])
def test_the_transforms_are_the_maps(evaluated, name, sign):
    displacement = read_displacement(evaluated[0] / name).displacement_ras_mm
    np.testing.assert_allclose(displacement, np.broadcast_to(sign * SHIFT_RAS_MM, displacement.shape), atol=1e-3)


def test_dirlab_images_and_landmarks_without_a_mask(pairs, tmp_path, monkeypatch):
    """A phantom with known landmarks, in DIR-Lab's format; its lungs have to be found."""
    coarse_sizes(monkeypatch, 2)
    made = write_copdgene_case(tmp_path / "COPDgene", 2)
    finished = run(arguments(tmp_path / "COPDgene", tmp_path / "out", model=pairs / "small.pt"))
    assert finished.code == 0, finished.err
    assert "1 of 1 cases of dirlab-copdgene with exhale fixed" in finished.out
    row = rows_in(tmp_path / "out")["copd2"]
    assert row["landmarks"] == "300"
    assert float(row["tre_before_mean_mm"]) == pytest.approx(made.distance_mm.mean(), abs=1e-3)
    assert float(row["tre_before_max_mm"]) == pytest.approx(made.distance_mm.max(), abs=1e-3)
    assert float(row["tre_mean_mm"]) < 0.8 * made.distance_mm.mean()  # lung box on lung box


def test_a_case_that_fails_does_not_cost_the_others(pairs, tmp_path):
    finished = run(arguments(pairs / "broken.csv", tmp_path, "--plot"))
    assert finished.code == 1
    assert finished.complaint == "nephi: error: Failed, for the reasons named above: bad."
    assert finished.out.startswith("Registered 2 of 3 cases")
    assert "bad failed: fixed: " in finished.out and "none.nii.gz" in finished.out
    rows = rows_in(tmp_path)
    assert list(rows) == ["first", "bad", "last", "mean"]
    assert "none.nii.gz" in rows["bad"]["error"] and rows["bad"]["seconds"] == ""
    assert rows["last"]["tre_mean_mm"] == rows["first"]["tre_mean_mm"]


def test_a_case_that_fails_keeps_no_maps_of_an_earlier_run(pairs, tmp_path):
    for name in ("bad_transform.h5", "bad_inverse.h5", "other_transform.h5"):
        (tmp_path / name).write_text("old")
    assert run(arguments(pairs / "broken.csv", tmp_path, "--keep-transforms")).code == 1
    left = {name for name in files_in(tmp_path) if name.endswith(".h5")}
    assert left == {
        "other_transform.h5",
        *(f"{case}_{what}.h5" for case in ("first", "last") for what in ("transform", "inverse")),
    }


def test_maps_stay_where_none_are_asked_for(pairs, tmp_path):
    (tmp_path / "bad_transform.h5").write_text("old")
    assert run(arguments(pairs / "broken.csv", tmp_path)).code == 1
    assert (tmp_path / "bad_transform.h5").read_text() == "old"


def test_dirlab_cases_that_are_incomplete_or_cut_off_are_named(pairs, tmp_path, monkeypatch):
    coarse_sizes(monkeypatch, 2)
    write_copdgene_case(tmp_path / "data", 2)
    write_image(tmp_path / "data" / "copd3" / "copd3_eBHCT.img", np.zeros((2, 2, 2)))
    (tmp_path / "data" / "copd2" / "copd2" / "copd2_iBHCT.img").write_bytes(b"cut off")
    finished = run(arguments(tmp_path / "data", tmp_path / "out", model=pairs / "small.pt"))
    assert finished.code == 1
    assert "copd2 failed: copd2_iBHCT.img has 7 bytes; 64 x 48 x 54 voxels" in finished.out
    assert "copd3 failed: There is no file of the exhale landmarks of copd3" in finished.out
    assert list(rows_in(tmp_path / "out")) == ["copd2", "copd3", "mean"]


def test_a_fault_of_the_program_in_one_case_is_located(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("NePhiCore.pair_run.quality_report", lambda *a: {}["nobody\nforesaw this"])
    finished = run(arguments(pairs / "pairs.csv", tmp_path))
    assert finished.code == 1
    error = rows_in(tmp_path)["first"]["error"]
    assert error.startswith("unexpected KeyError: 'nobody\\nforesaw this' (") and ".py, line " in error


def test_running_out_of_memory_in_one_case_says_what_to_lower(pairs, tmp_path, monkeypatch):
    def run_out(*images, **more):
        raise MemoryError

    monkeypatch.setattr("NePhiCore.pair_run.register", run_out)
    assert run(arguments(pairs / "pairs.csv", tmp_path)).code == 1
    assert "--similarity-sampling-ratio" in rows_in(tmp_path)["second"]["error"]


def interrupting(read, names):
    """A reader that is interrupted at a case of one of these names."""

    def read_and_interrupt(pair):
        if pair.name in names:
            signal.raise_signal(signal.SIGINT)
        return read(pair)

    return read_and_interrupt


@pytest.mark.parametrize(
    ("interrupted", "kept", "files"),
    [
        ("first", "No case was finished; nothing was written.", set()),
        ("second", "1 of 2 cases are in", {"results.csv", "settings.json"}),
    ],
)
def test_an_interrupt_keeps_the_cases_that_were_finished(pairs, tmp_path, monkeypatch, interrupted, kept, files):
    reader = interrupting(evaluation_cases._read_listed, [interrupted])
    monkeypatch.setattr(evaluation_cases, "_read_listed", reader)
    output = tmp_path / "results"
    finished = run(arguments(pairs / "pairs.csv", output))
    assert finished.code == 130
    assert finished.complaint.startswith(f"nephi: interrupted: {kept}")
    assert (set(files_in(output)) if output.exists() else set()) == files
    if files:
        assert list(rows_in(output)) == ["first", "mean"]


def test_only_the_cases_that_were_asked_for(pairs, tmp_path):
    assert run(arguments(pairs / "pairs.csv", tmp_path, "--cases", "2")).code == 0
    assert list(rows_in(tmp_path)) == ["second", "mean"]


def test_results_of_an_earlier_run_are_replaced(pairs, tmp_path):
    (tmp_path / "results.csv").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    assert run(arguments(pairs / "pairs.csv", tmp_path, "--cases", "1")).code == 0
    assert list(rows_in(tmp_path)) == ["first", "mean"]
    assert (tmp_path / "mine.txt").read_text() == "mine"


def refused(monkeypatch, call) -> str:
    """The complaint of a call that must end before anything is registered."""
    monkeypatch.setattr(evaluate_command, "_evaluate", lambda *a: pytest.fail("it began"))
    finished = run(call)
    assert finished.code == 2
    assert len(finished.err.splitlines()) <= 2 and finished.out == ""
    return finished.complaint


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (["--cases", "3"], "there is no case 3"),
        (["--cases", "1,1"], "expected different numbers"),
        (["--cases", "all"], "expected different numbers like 1,2,5, got 'all'"),
        (["--fixed", "exhale"], "--fixed is for DIR-Lab"),
        (["--dataset", "dirlab-4dct"], "is no folder"),
        (["--dataset", "empire10"], "invalid choice"),
        (["--grid-spacing", "0.1"], "grid spacing (mm)"),
        (["--model", "none.pt"], "none.pt"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_the_first_case(pairs, tmp_path, monkeypatch, more, cause):
    assert cause in refused(monkeypatch, arguments(pairs / "pairs.csv", tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_a_table_without_its_columns_is_refused(pairs, tmp_path, monkeypatch):
    (tmp_path / "pairs.csv").write_text("inhale,exhale\na,b\n")
    assert "has no column fixed and moving" in refused(monkeypatch, arguments(tmp_path / "pairs.csv", tmp_path / "out"))


def test_an_output_never_replaces_an_input(pairs, tmp_path, monkeypatch):
    (tmp_path / "results.csv").write_text("fixed,moving\na,b\n")
    assert "results.csv is an input too" in refused(monkeypatch, arguments(tmp_path / "results.csv", tmp_path))
    assert (tmp_path / "results.csv").read_text() == "fixed,moving\na,b\n"


def test_an_output_that_is_a_file_is_refused(pairs, monkeypatch):
    assert "cannot be made" in refused(monkeypatch, arguments(pairs / "pairs.csv", pairs / "fixed.csv"))


def test_a_plot_without_matplotlib_is_said_at_once(pairs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    complaint = refused(monkeypatch, arguments(pairs / "pairs.csv", tmp_path / "out", "--plot"))
    assert "pip install nephi-registration[plot]" in complaint
