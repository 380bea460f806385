"""The panel and slice views of a finished registration, drawn as pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import qt
import slicer

from .modules import load_module
from .slice_views import SliceView

MODULE_FILE = Path(__file__).resolve().parents[3] / "NePhiRegistration.py"
SCALE = 2  # device pixels a pixel
VIEW_SIZE = (440, 400)
PANEL_WIDTH = 470
VIEWS = (("Red", "Axial", "#f34a36"), ("Green", "Coronal", "#6eb04b"), ("Yellow", "Sagittal", "#edd54c"))
STRIP = 5
FOLDS_ZOOM = 1.3
# No regularity, few points and steps far too large: a usual registration has no folds to show.
SPOILT = {
    "regularity": "none",
    "prior_weight": 0.0,
    "iterations": 100,
    "network_learning_rate": 0.02,
    "latent_learning_rate": 0.3,
    "similarity_sampling_ratio": 0.001,
}
# In the left lung, for the sagittal view.
LEFT_MM = -70.0
_DARK = {"Window": "#323436", "Base": "#26282a", "Text": "#e8e8e8", "Button": "#3d4043", "Mid": "#55585b"}


def write_pictures(folder: Path, is_dark: bool) -> None:
    """Write inputs.png, panel.png, compare.png, ventilation.png and folds.png."""
    from . import tutorial_pictures

    folder.mkdir(parents=True, exist_ok=True)
    if is_dark:
        slicer.app.setPalette(dark_palette())
    load_module(MODULE_FILE)
    representation = slicer.modules.nephiregistration.widgetRepresentation()
    representation.enter()
    widget = representation.self()
    views = [SliceView(name, orientation, tuple(SCALE * n for n in VIEW_SIZE)) for name, orientation, _ in VIEWS]
    choose_phantom(widget)
    widget._parameterNode.lungFunction = True
    tutorial_pictures.write_inputs(representation, widget.ui, folder)
    register(widget)
    panel = panel_picture(representation, widget.ui)
    height = panel.height() // SCALE
    side_by_side([panel, column(views, height)]).save(str(folder / "panel.png"))
    tutorial_pictures.write_comparisons(widget._parameterNode, views, folder)
    tutorial_pictures.write_maps(widget._parameterNode, views, folder)
    make_folds(widget, views)
    side_by_side([framed(view, colour) for view, (_, _, colour) in zip(views, VIEWS)]).save(str(folder / "folds.png"))


def wait_until(condition) -> None:
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.005)


def choose_phantom(widget) -> None:
    """Make the sample pair and choose it, as a user does."""
    from NePhiRegistrationLib.sample_data import make_phantom

    exhale, inhale, *landmarks = make_phantom()
    for node in landmarks:
        node.GetDisplayNode().SetVisibility(False)
    ui = widget.ui
    volumes = zip((ui.fixedVolumeSelector, ui.movingVolumeSelector), (exhale, inhale))
    points = zip((ui.fixedLandmarksSelector, ui.movingLandmarksSelector), landmarks)
    for selector, node in (*volumes, *points):
        selector.setCurrentNode(node)
    wait_until(lambda: bool(ui.remarksLabel.text))


def register(widget) -> None:
    widget.ui.progressButton.collapsed = False
    widget.ui.applyButton.click()
    wait_until(lambda: not widget.panel.run.is_running)
    if widget._parameterNode.determinant is None:
        raise SystemExit(f"No result: {widget.ui.messageLabel.text}")
    widget.ui.compareCombo.currentIndex = 2


def make_folds(widget, views: list[SliceView]) -> None:
    """Register again, spoilt on purpose so that the map folds, and go to the largest fold."""
    parameters = widget._parameterNode
    widget.logic.register(
        parameters.fixedVolume,
        parameters.movingVolume,
        preset="accurate",
        outputs=outputs_of(parameters),
        **SPOILT,
    )
    widget.panel.result.load(parameters, first_look=True)
    slicer.app.processEvents()  # only then it is looked at
    for view in views:
        view.resize(*(SCALE * n for n in VIEW_SIZE))
        view.logic.FitSliceToBackground()
        view.zoom(FOLDS_ZOOM)
    if not widget.panel.result.overlay.folds:
        raise SystemExit("No folds to show: the settings SPOILT spoil nothing any more.")
    widget.ui.nextFoldButton.click()


def outputs_of(parameters):
    from NePhiRegistrationLib.parameter_node import OUTPUTS
    from NePhiRegistrationLib.registration_nodes import OutputNodes

    return OutputNodes(**{name: getattr(parameters, name) for name in OUTPUTS})


def panel_picture(representation, ui) -> qt.QPixmap:
    """The panel as high as all of it is."""
    representation.resize(PANEL_WIDTH, 3000)
    representation.show()
    ui.progressButton.collapsed = True
    ui.progressButton.collapsed = False
    for _ in range(5):  # labels wrap, then the panel knows its height
        slicer.app.processEvents()
    bottom = ui.resultButton.mapTo(representation, qt.QPoint(0, ui.resultButton.height)).y()
    representation.resize(PANEL_WIDTH, bottom + 20)
    slicer.app.processEvents()
    return representation.grab()


def column(views: list[SliceView], height: int) -> qt.QPixmap:
    """The three views one above the other, as high as the panel."""
    each = (height - 2 * STRIP) // 3
    for view in views:
        view.resize(SCALE * VIEW_SIZE[0], SCALE * (each - STRIP))
        view.logic.FitSliceToBackground()
    views[2].node.JumpSliceByOffsetting(LEFT_MM, 0.0, 0.0)
    pictures = [framed(view, colour) for view, (_, _, colour) in zip(views, VIEWS)]
    return joined(pictures, 0, 1)


def framed(view: SliceView, colour: str) -> qt.QPixmap:
    """A view below the coloured strip that tells Slicer's views apart."""
    array = np.ascontiguousarray(view.picture())
    height, width, _ = array.shape
    image = qt.QImage(array.tobytes(), width, height, 3 * width, qt.QImage.Format_RGB888)
    pixmap = qt.QPixmap(width, height + SCALE * STRIP)
    pixmap.fill(qt.QColor(colour))
    painter = qt.QPainter(pixmap)
    painter.drawImage(0, SCALE * STRIP, image)
    painter.end()
    return pixmap


def side_by_side(pictures: list[qt.QPixmap]) -> qt.QPixmap:
    return joined(pictures, 1, 0)


def joined(pictures: list[qt.QPixmap], across: int, down: int) -> qt.QPixmap:
    """Pictures in a row or in a column with a gap between, in device pixels."""
    for picture in pictures:
        picture.setDevicePixelRatio(1)
    gap = SCALE * STRIP
    widths, heights = [p.width() for p in pictures], [p.height() for p in pictures]
    width = sum(widths) + gap * (len(pictures) - 1) if across else max(widths)
    height = sum(heights) + gap * (len(pictures) - 1) if down else max(heights)
    whole = qt.QPixmap(width, height)
    whole.fill(slicer.app.palette().color(qt.QPalette.Window))
    painter = qt.QPainter(whole)
    x = y = 0
    for picture in pictures:
        painter.drawPixmap(x, y, picture)
        x += across * (picture.width() + gap)
        y += down * (picture.height() + gap)
    painter.end()
    return whole


def dark_palette() -> qt.QPalette:
    """Colours like those of Slicer's dark style (Base/QTGUI/qSlicerDarkStyle.cxx)."""
    palette = qt.QPalette()
    colours = {**_DARK, "WindowText": _DARK["Text"], "ButtonText": _DARK["Text"], "AlternateBase": _DARK["Window"]}
    for role, colour in colours.items():
        palette.setColor(getattr(qt.QPalette, role), qt.QColor(colour))
    palette.setColor(qt.QPalette.PlaceholderText, qt.QColor("#909294"))
    return palette
