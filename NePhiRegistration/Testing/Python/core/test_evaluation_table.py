import csv
import io

from NePhiCore.evaluation_table import COLUMNS, mean_row, rows_as_csv, rows_as_table

GOOD = {"case": "copd1", "landmarks": 300, "tre_before_mean_mm": 26.0, "tre_mean_mm": 1.25, "folds_central": 0}
OTHER = {"case": "copd10", "landmarks": 100, "tre_before_mean_mm": 13.0, "tre_mean_mm": 0.75, "folds_central": 3}
NO_LANDMARKS = {"case": "b", "folds_central": 3, "sd_log_j": 0.123456789}
FAILED = {"case": "copd2", "error": 'no exhale image, only "copies"'}


def test_every_case_counts_the_same_in_the_mean_where_it_has_the_figure():
    assert mean_row([GOOD, FAILED, OTHER, NO_LANDMARKS]) == {
        "case": "mean",
        "landmarks": 200,
        "tre_before_mean_mm": 19.5,
        "tre_mean_mm": 1.0,
        "folds_central": 2,
        "sd_log_j": 0.123456789,
    }
    assert mean_row([FAILED]) == {"case": "mean"}


def test_the_csv_has_all_columns_all_cases_and_the_mean():
    header, *lines = csv.reader(io.StringIO(rows_as_csv([GOOD, FAILED, NO_LANDMARKS])))
    assert tuple(header) == COLUMNS
    assert [line[0] for line in lines] == ["copd1", "copd2", "b", "mean"]
    good, failed, other, mean = (dict(zip(header, line)) for line in lines)
    assert (good["landmarks"], good["tre_mean_mm"], good["folds_central"], good["error"]) == ("300", "1.25", "0", "")
    assert {name for name, cell in failed.items() if cell} == {"case", "error"}
    assert failed["error"] == FAILED["error"]
    assert (other["sd_log_j"], other["tre_mean_mm"]) == ("0.123457", "")
    assert (mean["folds_central"], mean["tre_mean_mm"]) == ("1.5", "1.25")


def test_the_figures_that_were_asked_for_are_columns():
    for name in (
        *("tre_before_mean_mm", "tre_mean_mm", "tre_p95_mm", "tre_snapped_mean_mm", "tre_snapped_max_mm"),
        *("folds_central_percent", "folds_one_sided_percent", "sd_log_j", "inverse_consistency_mean_mm"),
        *("seconds", "peak_memory_mib"),
    ):
        assert name in COLUMNS
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_the_table_lines_up_and_ends_with_the_mean():
    lines = rows_as_table([GOOD, OTHER]).splitlines()
    assert lines[0].split()[:3] == ["case", "before", "TRE"]
    assert lines[1].split()[:4] == ["copd1", "26.00", "1.25", "-"]
    assert lines[2].split()[:3] == ["copd10", "13.00", "0.75"]
    assert lines[3].split()[:3] == ["mean", "19.50", "1.00"]
    assert len(set(map(len, lines[:4]))) == 1
    assert all(line.index(".") == lines[1].index(".") for line in lines[1:4])
    assert lines[4].startswith("before, TRE (mean, median, 95th percentile), snapped")


def test_a_case_that_failed_has_dashes_and_its_reason_below():
    lines = rows_as_table([GOOD, FAILED]).splitlines()
    assert set(lines[2].split()[1:]) == {"-"}
    assert lines[-1] == f"copd2 failed: {FAILED['error']}"
