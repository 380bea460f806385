"""The documents that the command writes."""

import pytest

from benchmarks.machine import Machine
from benchmarks.measurements import Run, summarised
from benchmarks.operations import StepCount
from benchmarks.plots import mean_points, plot_accuracy_against_time, plot_scaling
from benchmarks.report import (
    accuracy_table,
    against_paper_table,
    floors_table,
    scaling_table,
    steps_table,
    table,
    warm_table,
    write_section,
)

MACHINE = Machine("a processor", 4, 2, "a system", "3.12", "2.9", matmul_gflops=100.0, copy_gb_s=20.0)
ACCURACY = {"tre_mean_mm": 1.234, "tre_median_mm": 0.9, "tre_p95_mm": 3.0, "folds_percent": 0.0}


def measured(name="NePhi fast", pair="d1", seconds=8.0, failed=None, **settings):
    run = Run(seconds, 2 * seconds, 2_000_000_000, {"encoding": 3.0, "evaluation": 1.0}, failed)
    return summarised(name, pair, [run], settings, {} if failed else ACCURACY)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_a_section_is_replaced_and_what_people_wrote_stays(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("# Performance\n\nWords.\n")
    write_section(document, "floors", "first")
    document.write_text(document.read_text() + "\nMore words.\n")
    write_section(document, "floors", "second")
    write_section(document, "machine", "third")
    text = document.read_text()
    assert "first" not in text and text.index("second") < text.index("More words.") < text.index("third")
    assert text.startswith("# Performance\n\nWords.\n")


def test_a_table_has_its_header_and_a_line_a_row():
    assert table(("a", "b"), [[1, 2], [3, 4]]).splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |", "| 3 | 4 |"]


def test_the_accuracy_of_each_tool_is_a_line_and_a_missing_one_says_what_to_install():
    rows = cells(accuracy_table([measured(), measured("greedy", failed="not installed: pip install picsl_greedy")]))
    assert rows[2][:7] == ["NePhi fast", "d1", "1.23", "0.90", "3.00", "0.0000", "8.0 ± 0 %"]
    assert rows[2][7:] == ["16.0", "2.00", "1"]
    assert "pip install picsl_greedy" in rows[3][2] and rows[3][-1] == "0"
    assert len({len(row) for row in rows}) == 1


def test_steps_have_a_column_each():
    rows = cells(steps_table([measured(), measured(failed="exit 1")]))
    assert rows[0] == ["method", "pair", "encoding", "evaluation"]
    assert rows[2:] == [["NePhi fast", "d1", "3.00", "1.00"]]


def test_scaling_says_how_time_grows():
    text = scaling_table("size", [measured(seconds=s, size=n) for n, s in ((64, 2.0), (128, 4.0), (256, 8.0))])
    assert cells(text)[2] == ["64", "2.0", "3.00", "1.00", "2.00", "1.23"]
    assert text.endswith("to the power 1.00.")


def test_a_setting_that_may_be_zero_has_no_power():
    assert "power" not in scaling_table("iterations", [measured(iterations=0), measured(iterations=75)])


def test_the_floor_is_the_slower_of_computing_and_moving():
    """200 GFLOP at 100 a second are two seconds, 10 GB at 20 half a second."""
    computing, moving = StepCount("encoding", 200e9, 10e9, 6.0), StepCount("lungs", 0, 10e9, 1.0)
    assert computing.floor_s(MACHINE) == pytest.approx(2) and moving.floor_s(MACHINE) == pytest.approx(0.5)
    rows = cells(floors_table([computing, moving], MACHINE))
    assert rows[2] == ["encoding", "200.0", "10.00", "2.000", "6.00", "3"]
    assert rows[3][-1] == "2"


def test_a_point_of_the_plot_is_the_mean_over_all_pairs_and_a_tool_that_lacks_one_has_none(tmp_path):
    both = [measured(pair="d1", seconds=4.0), measured(pair="d2", seconds=8.0)]
    points = mean_points([*both, measured("greedy", pair="d1"), measured("greedy", pair="d2", failed="exit 1")])
    assert points == [("NePhi fast", 6.0, pytest.approx(1.234))]
    plot_accuracy_against_time(tmp_path / "plot.png", both)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_scaling_is_drawn_without_what_failed(tmp_path):
    sizes = [("size", measured(seconds=4.0 + n, size=n)) for n in (64, 128)]
    plot_scaling(tmp_path / "plot.png", [*sizes, ("threads", measured(threads=2)), ("size", measured(failed="exit 1"))])
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_registration_of_a_process_stands_beside_those_that_follow():
    runs = [Run(seconds, 4.0, 500_000_000, {"first": 3.0, "encoding": 0.2}) for seconds in (0.9, 1.0, 1.1)]
    one = summarised("NePhi fast, warm", "d1", runs, {"device": "a GPU"}, ACCURACY)
    failed = measured(failed="exit 1: no lungs")
    header, _, row = cells(warm_table([one, failed]))
    assert header[-1] == "encoding"
    assert row == ["NePhi fast, warm", "d1", "a GPU", "1.23", "3.00", "1.00 ± 10 %", "0.50", "0.200"]


def test_the_papers_recipe_is_set_against_what_ran_on_the_same_pair_and_device():
    def paper(seconds, **given):
        run = Run(seconds + 10, 1.0, 1, {"optimisation": seconds})
        return summarised("paper's recipe", "d1", [run], given, {**ACCURACY, "tre_mean_mm": 2.16})

    warm = [measured(seconds=s, device=d, preset="balanced") for d, s in (("cpu", 20.0), ("cuda", 0.4))]
    others = [measured(pair="d2", device="cpu", preset="fast"), measured(failed="exit 1", device="cpu", preset="fast")]
    _, _, *rows = cells(against_paper_table([paper(400.0, device="cpu"), paper(8.0, device="cuda")], [*warm, *others]))
    assert rows == [
        ["d1", "cpu", "400.0", "2.16", "balanced", "20.00", "1.23", "20"],
        ["d1", "cuda", "8.0", "2.16", "balanced", "0.40", "1.23", "20"],
    ]
