"""The pictures of the tutorial's steps: the panel before a run, what is compared and laid over the slices after it."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer

from .pictures import PANEL_WIDTH, SCALE, VIEW_SIZE, VIEWS, framed, side_by_side
from .slice_views import SliceView

_LUNGS_ZOOM = 1.12
_CORONAL = 1


def write_inputs(representation, ui, folder: Path) -> None:
    """inputs.png: the chosen pair, and what the panel says about it before Apply is pressed."""
    representation.resize(PANEL_WIDTH, 3000)
    representation.show()
    for _ in range(5):  # labels wrap, then the panel knows its height
        slicer.app.processEvents()
    bottom = ui.applyButton.mapTo(representation, qt.QPoint(0, ui.applyButton.height)).y()
    picture = representation.grab()
    picture.copy(0, 0, picture.width(), SCALE * (bottom + 4)).save(str(folder / "inputs.png"))


def write_comparisons(parameters, views: list[SliceView], folder: Path) -> None:
    """compare.png: a coronal plane as difference before and after, and as checkerboard."""
    from NePhiRegistrationLib.parameter_node import Compare

    _enlarge(views)
    pictures = []
    for mode in (Compare.DIFFERENCE_BEFORE, Compare.DIFFERENCE_AFTER, Compare.CHECKERBOARD):
        parameters.overlay, parameters.compare = False, mode
        slicer.app.processEvents()
        pictures.append(framed(views[_CORONAL], VIEWS[_CORONAL][2]))
    side_by_side(pictures).save(str(folder / "compare.png"))


def write_maps(parameters, views: list[SliceView], folder: Path) -> None:
    """ventilation.png: a coronal plane with det J, ventilation by volume and the parametric response over it."""
    from NePhiRegistrationLib.parameter_node import Compare, LungMap

    _enlarge(views)
    parameters.compare, parameters.overlay = Compare.FIXED, True
    slicer.app.processEvents()
    pictures = [framed(views[_CORONAL], VIEWS[_CORONAL][2])]
    for lung_map in (LungMap.BY_VOLUME, LungMap.RESPONSE):
        parameters.lungMap = lung_map
        slicer.app.processEvents()
        pictures.append(framed(views[_CORONAL], VIEWS[_CORONAL][2]))
    parameters.lungMap, parameters.compare, parameters.overlay = LungMap.NONE, Compare.AFTER, True
    side_by_side(pictures).save(str(folder / "ventilation.png"))


def _enlarge(views: list[SliceView]) -> None:
    for view in views:
        view.resize(*(SCALE * n for n in VIEW_SIZE))
        view.logic.FitSliceToBackground()
        view.zoom(_LUNGS_ZOOM)
