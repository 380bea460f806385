"""A study as a picture: a panel for each kind of figure, a colour for each pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .results import Row
from .studies import Study
from .tables import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1565c0", "#2e7d32", "#d84315", "#6a1b9a", "#00838f", "#8d6e63")
_DPI = 130
_COLUMNS = 3
_PANEL_WIDTH, _PANEL_HEIGHT, _LEGEND_HEIGHT = 3.6, 2.9, 0.3
_MARK_SIZES = {"_": 9, "^": 4}
_DODGE = 0.12  # between the pairs of one variant

# Heading of a panel -> its figures and how they are drawn.
_PANELS: dict[str, dict[str, str]] = {
    "landmark error, mm (dot mean, bar median, caret 95 %)": {
        "tre_mean_mm": "o",
        "tre_median_mm": "_",
        "tre_p95_mm": "^",
    },
    "folds in the lungs, % (dot central, cross one-sided)": {
        "folds_central_percent": "o",
        "folds_one_sided_percent": "x",
    },
    "SD log J in the lungs": {"sd_log_j": "o"},
    "round trip, mm (dot mean, caret 95 %)": {
        "inverse_consistency_mean_mm": "o",
        "inverse_consistency_p95_mm": "^",
    },
    "CPU seconds": {"cpu_seconds": "o"},
    "memory of the process, MiB": {"peak_memory_mib": "o"},
}


def draw_study(path: Path, rows: Mapping[tuple[str, str], Row], study: Study) -> None:
    """Write the picture of a study's rows as PNG. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    good = {key: row for key, row in rows.items() if "failed" not in figures(row)}
    panels = {
        heading: marks
        for heading, marks in _PANELS.items()
        if study.axis not in marks and any(name in figures(row) for row in good.values() for name in marks)
    }
    rows_of_panels = math.ceil(len(panels) / _COLUMNS)
    size = _PANEL_WIDTH * _COLUMNS, _PANEL_HEIGHT * rows_of_panels + _LEGEND_HEIGHT
    figure = Figure(size, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (heading, marks) in enumerate(panels.items()):
        panel = figure.add_subplot(rows_of_panels, _COLUMNS, number + 1)
        _draw_panel(panel, good, study, marks)
        panel.set_title(heading, fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    figure.savefig(path, dpi=_DPI)


def _draw_panel(panel: Axes, rows: Mapping[tuple[str, str], Row], study: Study, marks: Mapping[str, str]) -> None:
    pairs = list(dict.fromkeys(pair for _, pair in rows))
    for number, pair in enumerate(pairs):
        own = [(variant, rows[variant.name, pair]) for variant in study.variants if (variant.name, pair) in rows]
        shift = 0.0 if study.axis else _DODGE * (number - (len(pairs) - 1) / 2)
        x = [_place(study, variant, row) + shift for variant, row in own]
        kind = "semi-synthetic" if own[0][1]["semi_synthetic"] else "real"
        for name, mark in marks.items():
            y = [figures(row).get(name, float("nan")) for _, row in own]
            line = "-" if study.axis and mark == "o" else "none"
            label = f"{pair} ({kind})" if mark == "o" else None
            colour = _COLOURS[number % len(_COLOURS)]
            style = {"markersize": _MARK_SIZES.get(mark, 5), "markeredgewidth": 1.5, "linewidth": 1, "clip_on": False}
            panel.plot(x, y, marker=mark, linestyle=line, color=colour, label=label, **style)
    _name_axis(panel, study)


def _place(study: Study, variant, row: Row) -> float:
    """Of a variant along the axis: its number, its value, or a figure of its row."""
    if not study.axis:
        return study.variants.index(variant)
    return figures(row).get(study.axis, variant.value)


def _name_axis(panel: Axes, study: Study) -> None:
    if study.is_logarithmic:
        panel.set_xscale("log")
    if study.axis:
        panel.set_xlabel({"sd_log_j": "SD log J in the lungs"}.get(study.axis, study.axis), fontsize=9)
    else:
        names = [variant.name for variant in study.variants]
        panel.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
        panel.set_xlim(-0.5, len(names) - 0.5)
    panel.set_ylim(0, None if panel.dataLim.y1 > 0 else 1)  # where nothing folds the scale has nothing to go by
    panel.tick_params(labelsize=8)
    panel.grid(color="#e8eaed")
    panel.set_axisbelow(True)
