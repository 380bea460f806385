"""The picture of an evaluation: landmark errors before and after, and how smooth the maps are, case by case."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import DependencyError, OutputError
from .evaluation_table import Row, mean_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 130
_BEFORE, _AFTER, _SNAPPED, _QUIET = "#9aa0a6", "#1565c0", "#d84315", "#5f6368"
# Inches.
_PANEL_WIDTH, _ROW_HEIGHT, _FRAME_HEIGHT = 4.2, 0.3, 1.7
_LARGEST_HEIGHT = 60.0
# Of a panel's width: a letter, and what lies between a dot and its words.
_LETTER_SHARE, _GAP_SHARE = 0.017, 0.05
_NO_LANDMARKS = "no landmarks"


def check_plot_possible() -> None:
    """Ask this before a long run, so that a missing package is not found out at its end.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib.backends.backend_agg  # noqa: F401 (is it there?)
    except ImportError as error:
        raise DependencyError(f"The plot needs matplotlib ({error}): pip install nephi-registration[plot]") from error


def write_plot(path: str | os.PathLike[str], rows: Sequence[Row], title: str) -> None:
    """Write the plot as a PNG file: a line for each case and one for the mean.

    Args:
        path: PNG file; its folder must exist.
        rows: of ``evaluation.evaluate_pair``, each with its "case".
        title: one line.

    Raises:
        DependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    check_plot_possible()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [*rows, mean_row(rows)]
    height = min(_FRAME_HEIGHT + _ROW_HEIGHT * len(rows), _LARGEST_HEIGHT)
    figure = Figure((3 * _PANEL_WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    panels = figure.subplots(1, 3, sharey=True)
    for panel, draw in zip(panels, (_draw_before_and_after, _draw_after, _draw_smoothness)):
        draw(panel, rows)
        _frame(panel, rows)
    with warnings.catch_warnings():
        # A case's name may hold letters that the font lacks; they show as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        try:
            figure.savefig(path, format="png", dpi=_DPI)
        except OSError as error:
            raise OutputError(f"The plot {path} cannot be written: {error}. Choose a writable folder.") from error


def _draw_before_and_after(panel: Axes, rows: list[Row]) -> None:
    at, before, after = _columns(rows, "tre_before_mean_mm", "tre_mean_mm")
    panel.hlines(at, after, before, color=_BEFORE, linewidth=1)
    panel.plot(before, at, "o", color="white", markeredgecolor=_BEFORE, label="before")
    panel.plot(after, at, "o", color=_AFTER, label="after")
    for row, *values in zip(at, before, after):
        _write(panel, f"{values[0]:.2f} to {values[1]:.2f}", max(values), row)
    _name(panel, "Mean landmark error (mm)", "" if at else _NO_LANDMARKS)


def _draw_after(panel: Axes, rows: list[Row]) -> None:
    names = ("tre_mean_mm", "tre_median_mm", "tre_p95_mm", "tre_snapped_mean_mm")
    at, mean, median, p95, snapped = _columns(rows, *names)
    panel.hlines(at, median, p95, color=_AFTER, linewidth=1)
    panel.plot(p95, at, "|", color=_AFTER, label="95th percentile")
    panel.plot(median, at, "|", color=_AFTER, markeredgewidth=3, label="median")
    panel.plot(mean, at, "o", color=_AFTER, label="mean")
    below = [row - 0.25 for row in at]
    panel.plot(snapped, below, "D", color="none", markeredgecolor=_SNAPPED, markersize=5, label="mean, snapped")
    _name(panel, "Landmark error after registration (mm)", "" if at else _NO_LANDMARKS)


def _draw_smoothness(panel: Axes, rows: list[Row]) -> None:
    at, sd_log_j, central, one_sided = _columns(rows, "sd_log_j", "folds_central_percent", "folds_one_sided_percent")
    panel.plot(sd_log_j, at, "o", color=_AFTER)
    for row, value, *folds in zip(at, sd_log_j, central, one_sided):
        text = "no folds" if not any(folds) else f"folds {folds[0]:.2g} %, one-sided {folds[1]:.2g} %"
        _write(panel, text, value, row)
    _name(panel, "SD log J in the lungs, and folds", "" if at else "nothing measured")


def _write(panel: Axes, text: str, value: float, row: float) -> None:
    """Put words on the right of a dot, and make room for them."""
    panel.annotate(text, (value, row), (7, 0), textcoords="offset points", va="center", fontsize=8, color=_QUIET)
    needed = _GAP_SHARE + _LETTER_SHARE * len(text)
    panel.set_xlim(right=max(panel.get_xlim()[1], value / (1 - needed)))


def _columns(rows: list[Row], *names: str) -> list[list[Any]]:
    """The heights of the rows that have the figures, then the figures, name by name."""
    having = [(-number, *(row[name] for name in names)) for number, row in enumerate(rows) if names[0] in row]
    return [list(column) for column in zip(*having)] if having else [[] for _ in range(len(names) + 1)]


def _name(panel: Axes, label: str, lacking: str) -> None:
    panel.set_xlabel(label)
    if lacking:
        panel.text(0.5, 0.5, lacking, transform=panel.transAxes, ha="center", va="center", color=_QUIET)
    elif panel.get_legend_handles_labels()[0]:
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, fontsize=7, frameon=False)


def _frame(panel: Axes, rows: list[Row]) -> None:
    labels = [f"{row['case']} (failed)" if "error" in row else str(row["case"]) for row in rows]
    panel.set_yticks([-number for number in range(len(rows))], labels)
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(0.6 - len(rows), 0.6)
    panel.set_xlim(left=0)
    panel.locator_params(axis="x", nbins=6)
    panel.axhline(1.5 - len(rows), color=_QUIET, linewidth=0.8)  # above the mean
    panel.grid(axis="x", color="#e8eaed")
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
