"""Three planes of the lung function maps with their legends."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from NePhiCore.geometry import transform_points
from NePhiCore.lung_function import LungFunction
from NePhiCore.lung_function_names import OUTSIDE, PRM_CLASSES, VENTILATION_COLOURS
from NePhiCore.viewing_planes import Plane, planes_through, read_plane
from NePhiCore.volume import Volume
from NePhiCore.voxel_reading import read_nearest

_BACKGROUND, _TEXT, _QUIET = "#0e1116", "#f1f3f4", "#9aa0a6"
_TITLES = ("Exhale CT", "Specific volume change\n(det J − 1)", "Specific air change\n(density)", "Parametric response")
_RANGE = Normalize(min(VENTILATION_COLOURS), max(VENTILATION_COLOURS))
_VENTILATION = LinearSegmentedColormap.from_list(
    "ventilation", [(_RANGE(value), np.divide(colour, 255)) for value, colour in VENTILATION_COLOURS.items()]
)
_CLASSES = ListedColormap([np.divide(each.colour, 255) for each in PRM_CLASSES])
_COLUMN, _DPI = 2.8, 110


def write_picture(path: Path, fixed: Volume, found: LungFunction, at_ras_mm: np.ndarray) -> None:
    """Axial, coronal and sagittal plane through a point; radiological convention."""
    planes = [_moved(plane, at_ras_mm) for plane in planes_through(found.parametric_response > 0, fixed.geometry)]
    sizes = np.array([plane.points_ras_mm.shape[:2] for plane in planes])
    heights = [*(_COLUMN * sizes[:, 0] / sizes[:, 1].max()), 0.75]
    figure = Figure((len(_TITLES) * _COLUMN, sum(heights) + 0.6), facecolor=_BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(4, len(_TITLES), height_ratios=heights)
    for number, plane in enumerate(planes):
        row = [figure.add_subplot(grid[number, column]) for column in range(len(_TITLES))]
        _draw_row(row, plane, fixed, found)
        if number == 0:
            for panel, title in zip(row, _TITLES):
                panel.set_title(title, color=_TEXT, fontsize=12)
    _draw_legends(figure, figure.add_subplot(grid[3, 1:3]), figure.add_subplot(grid[3, 3]))
    figure.savefig(path, dpi=_DPI)


def _moved(plane: Plane, at_ras_mm: np.ndarray) -> Plane:
    points = plane.points_ras_mm.copy()
    points[..., plane.normal_axis] = at_ras_mm[plane.normal_axis]
    return dataclasses.replace(plane, points_ras_mm=points)


def _draw_legends(figure: Figure, of_ventilation: Axes, of_classes: Axes) -> None:
    for panel in (of_ventilation, of_classes):
        panel.set_axis_off()
    place = of_ventilation.inset_axes((0.03, 0.62, 0.94, 0.16))
    bar = figure.colorbar(ScalarMappable(_RANGE, _VENTILATION), cax=place, orientation="horizontal")
    bar.set_label("(inhale − exhale) / exhale", color=_QUIET)
    bar.ax.tick_params(colors=_TEXT)
    bar.outline.set_visible(False)
    patches = [Patch(color=np.divide(each.colour, 255), label=each.title) for each in PRM_CLASSES]
    of_classes.legend(handles=patches, loc="center", ncols=1, frameon=False, labelcolor=_TEXT, fontsize=9.5)


def _draw_row(row: list[Axes], plane: Plane, fixed: Volume, found: LungFunction) -> None:
    anatomy = read_plane(fixed.hu, fixed.geometry, plane)
    points_ijk = transform_points(fixed.geometry.ras_to_ijk, plane.points_ras_mm)
    for panel, dimmed in zip(row, (1.0, 0.5, 0.5, 0.5)):
        panel.imshow(anatomy, cmap="gray", vmin=-1350, vmax=-1350 + 1500 / dimmed)
        panel.set_axis_off()
    for panel, array in zip(row[1:3], (found.ventilation_jacobian, found.ventilation_density)):
        values = read_nearest(array, points_ijk)
        panel.imshow(np.ma.masked_equal(values, OUTSIDE), cmap=_VENTILATION, norm=_RANGE, interpolation="nearest")
    labels = read_nearest(found.parametric_response, points_ijk)
    classes = Normalize(0.5, len(PRM_CLASSES) + 0.5)
    row[3].imshow(np.ma.masked_equal(labels, 0), cmap=_CLASSES, norm=classes, interpolation="nearest")
    for letter, x, y in zip(plane.letters, (0.02, 0.98, 0.5, 0.5), (0.5, 0.5, 0.98, 0.02)):
        across = "left" if x < 0.1 else "right" if x > 0.9 else "center"
        up = "top" if y > 0.9 else "bottom" if y < 0.1 else "center"
        row[0].text(x, y, letter, transform=row[0].transAxes, color="#ffd54f", ha=across, va=up, weight="bold")
