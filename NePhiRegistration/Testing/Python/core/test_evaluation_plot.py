"""The picture of an evaluation: what it shows, and that it is written whatever is missing."""

import sys

import pytest
from matplotlib.figure import Figure

from NePhiCore.errors import DependencyError, OutputError
from NePhiCore.evaluation_plot import check_plot_possible, write_plot

FIGURES = {
    "tre_before_mean_mm": 26.33,
    "tre_mean_mm": 1.5,
    "tre_median_mm": 1.0,
    "tre_p95_mm": 4.0,
    "tre_snapped_mean_mm": 1.625,
    "sd_log_j": 0.125,
    "folds_central_percent": 0.0,
    "folds_one_sided_percent": 0.0,
}
GOOD = {"case": "copd1", **FIGURES}
FOLDED = {"case": "copd2", **FIGURES, "folds_central_percent": 2e-5, "folds_one_sided_percent": 0.00036}
NO_LANDMARKS = {"case": "肺 3", **{name: FIGURES[name] for name in FIGURES if not name.startswith("tre")}}
FAILED = {"case": "copd4", "error": "no such file"}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A function that writes a plot; returns its panels."""
    seen = []
    save = Figure.savefig

    def watch(figure, *arguments, **more):
        seen.append(figure)
        save(figure, *arguments, **more)

    monkeypatch.setattr(Figure, "savefig", watch)

    def write(rows):
        write_plot(tmp_path / "results.png", rows, "COPDgene, preset fast")
        assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
        return seen[-1].axes

    return write


def texts(panel) -> list[str]:
    return [text.get_text() for text in panel.texts]


def test_each_case_and_the_mean_have_a_line(drawn):
    errors, after, smoothness = drawn([GOOD, FOLDED])
    assert [label.get_text() for label in errors.get_yticklabels()] == ["copd1", "copd2", "mean"]
    before, registered = (line for line in errors.lines if line.get_label() in ("before", "after"))
    assert list(before.get_xdata()) == pytest.approx([26.33] * 3)
    assert list(registered.get_xdata()) == [1.5] * 3
    assert list(registered.get_ydata()) == [0, -1, -2]
    values = {line.get_label(): line.get_xdata()[0] for line in after.lines}
    assert (values["95th percentile"], values["median"], values["mean"]) == (4.0, 1.0, 1.5)
    assert values["mean, snapped"] == 1.625
    assert list(smoothness.lines[0].get_xdata()) == [0.125] * 3


def test_figures_stand_beside_the_dots_and_inside_the_panel(drawn):
    errors, _, smoothness = drawn([GOOD, FOLDED])
    assert texts(errors) == ["26.33 to 1.50"] * 3
    assert texts(smoothness) == [
        "no folds",
        "folds 2e-05 %, one-sided 0.00036 %",
        "folds 1e-05 %, one-sided 0.00018 %",
    ]
    errors.figure.canvas.draw()  # saving was at another resolution
    for panel in (errors, smoothness):
        frame = panel.get_window_extent()
        for text in panel.texts:
            assert text.get_window_extent().x1 < frame.x1


def test_cases_without_landmarks_and_failed_ones_leave_gaps(drawn):
    errors, _, smoothness = drawn([FAILED, GOOD, NO_LANDMARKS])
    assert [label.get_text() for label in errors.get_yticklabels()] == ["copd4 (failed)", "copd1", "肺 3", "mean"]
    assert [list(line.get_ydata()) for line in errors.lines if line.get_label() == "after"] == [[-1, -3]]
    assert list(smoothness.lines[0].get_ydata()) == [-1, -2, -3]


def test_where_nothing_was_measured_the_plot_says_so(drawn):
    assert [texts(panel) for panel in drawn([FAILED])] == [["no landmarks"], ["no landmarks"], ["nothing measured"]]
    assert texts(drawn([NO_LANDMARKS])[0]) == ["no landmarks"]


def test_hundreds_of_cases_fit_on_a_page(drawn):
    panel = drawn([{**GOOD, "case": f"case{number}"} for number in range(300)])[0]
    assert panel.figure.get_figheight() <= 60


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(OutputError, match="The plot .* cannot be written"):
        write_plot(tmp_path / "none" / "results.png", [GOOD], "title")


def test_matplotlib_is_asked_for_before_the_run(monkeypatch):
    check_plot_possible()
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(DependencyError, match=r"pip install nephi-registration\[plot\]"):
        check_plot_possible()
