"""Drawing the overview with matplotlib's object interface; pyplot and rcParams, which are global, are never touched.

Imported only where a picture is asked for: matplotlib is an optional package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from .overview_text import header_cards
from .viewing_planes import PIXEL_MM, Plane, RowOfPictures

_BACKGROUND, _OUTSIDE, _TEXT, _QUIET = "#0e1116", "#1b2029", "#f1f3f4", "#9aa0a6"
_OUTLINE, _LETTER, _GOOD, _BAD = "#4dd0e1", "#ffd54f", "#81c995", "#ff5cf0"
_FOLD_HERE, _FOLD_ELSEWHERE = "#ff00d4", "#ffe600"

_TITLES = ("Fixed", "Moving, unregistered", "Moving, registered", "Difference before", "Difference after", "det J")
# Inches.
_COLUMN, _GAP, _LEFT, _RIGHT, _TOP, _BOTTOM = 2.9, 0.10, 0.65, 0.25, 1.95, 1.05
_LOWEST_ROW, _HIGHEST_ROW = 1.0, 5.0
_FOLD_SLICE_MM = 3.0
_SCALE_BAR_MM = 50.0
_TITLE_LETTERS = 110

_GREY = LinearSegmentedColormap.from_list("grey", ["black", "white"])
_DIMMED = LinearSegmentedColormap.from_list("dimmed", ["black", "#5a5f66"])
_DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#6ec6ff", "#1565c0", "#07090c", "#d84315", "#ffcc80"])
_DETERMINANT = LinearSegmentedColormap.from_list("determinant", ["#2166ac", "#67a9cf", "#e6e8ea", "#ef8a62", "#b2182b"])
_EDGED = [withStroke(linewidth=2, foreground="black")]
_HU = Normalize(-1350, 150)
_DIFFERENCE_HU = Normalize(-600, 600)
_DETERMINANT_SCALE = LogNorm(0.25, 4)


def draw_overview(rows: list[RowOfPictures], folds_ras_mm: np.ndarray, report: dict[str, Any], title: str) -> Figure:
    """The whole figure.

    Args:
        rows: axial, coronal and sagittal pictures.
        folds_ras_mm: (N, 3) folded voxels, RAS mm.
        report: what ``quality.quality_report`` returns.
        title: one line.
    """
    figure, axes = _empty_panels(rows)
    for row_axes, row in zip(axes, rows):
        _draw_row(row_axes, row, folds_ras_mm)
        _name_row(figure, row_axes[0], row.plane)
    for panel, name in zip(axes[0], _TITLES):
        _text_above(figure, panel, name)
    _draw_scale_bar(axes[0][0])
    _draw_header(figure, axes[0], report, title)
    _draw_colour_bars(figure, axes[-1])
    _draw_footer(figure, len(folds_ras_mm) > 0)
    return figure


def _empty_panels(rows: list[RowOfPictures]) -> tuple[Figure, list[list[Axes]]]:
    """Figure and panels [row][column], all at the same inches per millimetre."""
    sizes_mm = np.array([row.fixed.shape[::-1] for row in rows]) * PIXEL_MM
    inches_per_mm = min(_COLUMN / sizes_mm[:, 0].max(), _HIGHEST_ROW / sizes_mm[:, 1].max())
    heights = np.maximum(sizes_mm[:, 1] * inches_per_mm, _LOWEST_ROW)
    width = _LEFT + _RIGHT + len(_TITLES) * (_COLUMN + _GAP) - _GAP
    height = _TOP + _BOTTOM + heights.sum() + _GAP * (len(rows) - 1)
    figure = Figure(figsize=(width, height), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    panels, bottom = [], height - _TOP
    for row_height in heights:
        bottom -= row_height
        lefts = [_LEFT + column * (_COLUMN + _GAP) for column in range(len(_TITLES))]
        size = _COLUMN / width, row_height / height
        panels.append([figure.add_axes((left / width, bottom / height, *size)) for left in lefts])
        bottom -= _GAP
    return figure, panels


def _draw_row(panels: list[Axes], row: RowOfPictures, folds_ras_mm: np.ndarray) -> None:
    for panel, picture in zip(panels, (row.fixed, row.moving, row.warped)):
        _draw_picture(panel, picture, _GREY, _HU)
    for panel, picture in zip(panels[3:5], (row.fixed - row.moving, row.fixed - row.warped)):
        _draw_picture(panel, picture, _DIFFERENCE, _DIFFERENCE_HU)
    _draw_determinant(panels[5], row)
    for panel in panels:
        _draw_outline(panel, row.lungs)
        _draw_letters(panel, row.plane)
    _mark_folds(panels[5], row.plane, folds_ras_mm)


def _draw_picture(panel: Axes, picture: np.ndarray, colours: LinearSegmentedColormap, scale: Normalize) -> None:
    panel.imshow(np.ma.masked_invalid(picture), cmap=colours, norm=scale, interpolation="bilinear")
    panel.autoscale(False)
    panel.set_facecolor(_OUTSIDE)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)


def _draw_determinant(panel: Axes, row: RowOfPictures) -> None:
    """det J in full colour in the lungs, as a tint over the dimmed anatomy elsewhere."""
    _draw_picture(panel, row.fixed, _DIMMED, _HU)
    strength = np.where(row.lungs > 0.5, 1.0, 0.3) * np.isfinite(row.determinant)
    clipped = np.clip(np.nan_to_num(row.determinant, nan=1), _DETERMINANT_SCALE.vmin, _DETERMINANT_SCALE.vmax)
    panel.imshow(clipped, cmap=_DETERMINANT, norm=_DETERMINANT_SCALE, alpha=strength, interpolation="nearest")


def _draw_outline(panel: Axes, lungs: np.ndarray) -> None:
    lungs = np.nan_to_num(lungs)
    if lungs.min() < 0.5 < lungs.max():
        panel.contour(lungs, levels=[0.5], colors=_OUTLINE, linewidths=0.8, alpha=0.9)


def _draw_letters(panel: Axes, plane: Plane) -> None:
    sides = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"))
    ends = ((0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom"))
    for letter, (x, y, horizontal, vertical) in zip(plane.letters, (*sides, *ends)):
        where: dict[str, Any] = {"transform": panel.transAxes, "ha": horizontal, "va": vertical}
        panel.text(x, y, letter, fontsize=9, weight="bold", color=_LETTER, path_effects=_EDGED, **where)


def _mark_folds(panel: Axes, plane: Plane, folds_ras_mm: np.ndarray) -> None:
    """Magenta: folds in this plane. Yellow: folds in front of or behind it, projected onto it."""
    is_here = np.abs(folds_ras_mm[:, plane.normal_axis] - plane.position_mm) <= _FOLD_SLICE_MM
    for chosen, colour, size in ((~is_here, _FOLD_ELSEWHERE, 3), (is_here, _FOLD_HERE, 7)):
        pixels = np.unique(np.rint(plane.pixels(folds_ras_mm[chosen])), axis=0)
        panel.scatter(pixels[:, 0], pixels[:, 1], s=size, c=colour, marker="s", linewidths=0)


def _draw_header(figure: Figure, panels: list[Axes], report: dict[str, Any], title: str) -> None:
    """Title line, and under it one figure of the report above each column."""
    height = figure.get_figheight()
    _write(figure, _LEFT, height - 0.28, _shortened(title), size=17, colour=_TEXT, weight="bold")
    for panel, card in zip(panels, header_cards(report)):
        left = panel.get_position(original=True).x0 * figure.get_figwidth()
        colour = _TEXT if card.is_fine is None else _GOOD if card.is_fine else _BAD
        _write(figure, left, height - 0.74, card.name, size=9.5, colour=_QUIET)
        _write(figure, left, height - 0.94, card.value, size=16, colour=colour)
        _write(figure, left, height - 1.24, card.note, size=8.5, colour=_QUIET)


def _text_above(figure: Figure, panel: Axes, name: str) -> None:
    box = panel.get_position(original=True)
    centre = (box.x0 + box.x1) / 2 * figure.get_figwidth()
    _write(figure, centre, box.y1 * figure.get_figheight() + 0.08, name, size=12, ha="center", va="bottom")


def _name_row(figure: Figure, panel: Axes, plane: Plane) -> None:
    """The plane's name and where it lies, such as "Axial, I 145 mm" (inferior of the origin), along the left side."""
    box = panel.get_position(original=True)
    middle = (box.y0 + box.y1) / 2 * figure.get_figheight()
    side = ("RL", "AP", "SI")[plane.normal_axis][plane.position_mm < 0]
    name = f"{plane.name.capitalize()}\n{side} {abs(plane.position_mm):.0f} mm"
    how: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "multialignment": "center"}
    _write(figure, _LEFT - 0.1, middle, name, size=11, **how)


def _draw_scale_bar(panel: Axes) -> None:
    """A bar of known length at the lower right, where the picture is wide enough for it."""
    rows, columns = panel.images[0].get_size()
    if columns * PIXEL_MM < 2 * _SCALE_BAR_MM:
        return
    right, y = columns - 8, rows - 8
    left = right - _SCALE_BAR_MM / PIXEL_MM
    panel.plot([left, right], [y, y], color=_TEXT, linewidth=1.6, solid_capstyle="butt", path_effects=_EDGED)
    how: dict[str, Any] = {"ha": "center", "va": "bottom", "path_effects": _EDGED}
    panel.text((left + right) / 2, y - 3, f"{_SCALE_BAR_MM:.0f} mm", color=_TEXT, fontsize=8, **how)


def _draw_colour_bars(figure: Figure, panels: list[Axes]) -> None:
    """One bar under the images, one under the differences, one under det J."""
    bars = (
        (panels[0], panels[2], _GREY, _HU, [-1350, -1000, -600, -200, 150], "HU"),
        (panels[3], panels[4], _DIFFERENCE, _DIFFERENCE_HU, [-600, -300, 0, 300, 600], "fixed − moving, HU"),
        (panels[5], panels[5], _DETERMINANT, _DETERMINANT_SCALE, [0.25, 0.5, 1, 2, 4], "moving / fixed volume"),
    )
    width, height = figure.get_size_inches()
    for first, last, colours, scale, ticks, label in bars:
        left, right = first.get_position(original=True).x0, last.get_position(original=True).x1
        length = min(right - left, _COLUMN * 0.86 / width)
        place = ((left + right - length) / 2, (_BOTTOM - 0.24) / height, length, 0.11 / height)
        bar = figure.colorbar(ScalarMappable(scale, colours), cax=figure.add_axes(place), orientation="horizontal")
        bar.set_ticks(ticks, labels=[f"{tick:g}".replace("-", "−") for tick in ticks])
        bar.ax.minorticks_off()
        bar.ax.tick_params(colors=_TEXT, labelsize=9, length=0, pad=4)
        bar.outline.set_visible(False)
        bar.set_label(label, color=_QUIET, fontsize=9, labelpad=2)


def _draw_footer(figure: Figure, has_folds: bool) -> None:
    words = (
        "Radiological convention: the patient's right is on the left of the picture.  Blue-green outline: fixed lungs."
        "  Dark grey: outside the image."
    )
    if has_folds:
        words += "  Folds: magenta squares in this plane, yellow in front of or behind it."
    _write(figure, _LEFT, 0.16, words, size=9, colour=_QUIET, va="bottom")


def _write(figure: Figure, x: float, y: float, text: str, size: float, colour: str = _TEXT, **how: Any) -> None:
    """Text at a place in inches from the lower left corner; taken as it is, without mathematics."""
    width, height = figure.get_size_inches()
    how = {"ha": "left", "va": "top", **how}
    figure.text(x / width, y / height, text, fontsize=size, color=colour, parse_math=False, **how)


def _shortened(title: str) -> str:
    return title if len(title) <= _TITLE_LETTERS else f"{title[: _TITLE_LETTERS - 1]}…"
