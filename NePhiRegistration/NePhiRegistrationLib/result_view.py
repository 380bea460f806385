"""The part of the panel about a result: quality card, loss curve, comparison, Jacobian overlay, lung function maps."""

from __future__ import annotations

import qt

from NePhiCore.errors import NePhiError

from . import slice_layers
from .compare_views import CompareViews
from .fold_nodes import LUNGS
from .fold_overlay import FoldOverlay
from .hidden_volumes import is_alive
from .lung_function_view import LungFunctionView
from .parameter_node import OUTPUTS, Compare, LungMap
from .quality_table import read_table
from .rich_text import quality_text

_THRESHOLD_DELAY_MS = 150


class ResultView:
    """Shows the nodes that the parameter node names as outputs, whether just made or loaded with the scene.

    Args:
        ui: widgets by their name in the .ui file.
        plot: LossPlot for the trace.
    """

    def __init__(self, ui, plot) -> None:
        self._ui, self._plot = ui, plot
        self.overlay, self.compare, self.maps = FoldOverlay(), CompareViews(), LungFunctionView()
        self._shown = None
        self._parameters = None
        self._recount = qt.QTimer()
        self._recount.setSingleShot(True)
        self._recount.setInterval(_THRESHOLD_DELAY_MS)
        self._recount.timeout.connect(self._count_again)
        self._first_look = qt.QTimer()
        self._first_look.setSingleShot(True)
        self._first_look.timeout.connect(self._look_first)
        ui.previousFoldButton.clicked.connect(self._previous_fold)
        ui.nextFoldButton.clicked.connect(self._next_fold)
        ui.resultButton.setVisible(False)

    def load(self, parameters, first_look: bool) -> None:
        """Take the result that the parameter node names.

        Args:
            parameters: NePhiParameterNode.
            first_look: the result is new: show it, whatever the slice views show now, as soon as the window had a turn.
        """
        self.clear()
        self._parameters = parameters
        nodes = {name: getattr(parameters, name) for name in OUTPUTS}
        has_result = _is_result(nodes["determinant"], nodes["folds"])
        self._ui.resultButton.setVisible(has_result)
        if not has_result:
            return
        self.compare.set_pair(parameters.fixedVolume, parameters.movingVolume, nodes["warped"])
        self._ui.lungMapCombo.setEnabled(any(is_alive(nodes[each.value]) for each in LungMap if each != LungMap.NONE))
        self._show_figures(nodes["quality"], with_curve=not first_look)
        self._count()
        if first_look:
            _hide_segments(nodes["folds"])
            self._first_look.start(0)  # once the window had its turn: both take their time
        else:
            self._look(with_background=parameters.compare != Compare.FIXED)

    def _look_first(self) -> None:
        if self._parameters is not None:
            self._look(with_background=True)
            slice_layers.fit()

    def _look(self, with_background: bool) -> None:
        """Bring the slice views in line with what is chosen."""
        if with_background:
            self.compare.show(self._parameters.compare)
        if self._parameters.overlay:
            self._parameters.lungMap = LungMap.NONE
            self.overlay.show(self._parameters.overlayOpacity)
        elif self._parameters.lungMap != LungMap.NONE:
            self._show_map()
        self._shown = self._choices()

    def update(self) -> None:
        """Follow what the user changed in the parameter node."""
        if self._shown is None or self._shown == self._choices():
            return
        before, now = self._shown, self._choices()
        if self._has_made_room(before, now):
            return
        self._shown = now
        if before["lungMap"] != now["lungMap"]:
            self.maps.hide()
        if before["compare"] != now["compare"]:
            self.compare.show(now["compare"])
        if before["foldThreshold"] != now["foldThreshold"]:
            self._recount.start()
        if now["overlay"]:
            self.overlay.show(now["overlayOpacity"])
        elif before["overlay"]:
            self.overlay.hide()
        if now["lungMap"] != LungMap.NONE:
            self._show_map()

    def _has_made_room(self, before: dict, now: dict) -> bool:
        """The overlay and a lung function map would hide each other: the one chosen last stays."""
        if not now["overlay"] or now["lungMap"] == LungMap.NONE:
            return False
        if before["overlay"]:
            self._parameters.overlay = False  # which calls update again
        else:
            self._parameters.lungMap = LungMap.NONE
        return True

    def _show_map(self) -> None:
        parameters = self._parameters
        self.maps.show(getattr(parameters, parameters.lungMap.value), parameters.overlayOpacity)

    def clear(self) -> None:
        """Forget the result; the nodes of it stay in the scene."""
        self._recount.stop()
        self._first_look.stop()
        self._shown = self._parameters = None
        self.compare.clear()
        self.overlay.clear()
        self.maps.hide()
        self._ui.resultButton.setVisible(False)

    def pause(self) -> None:
        """Stop what moves by itself while the panel is not shown."""
        self.compare.pause()

    def _choices(self) -> dict[str, object]:
        names = ("compare", "overlay", "overlayOpacity", "foldThreshold", "lungMap")
        return {name: getattr(self._parameters, name) for name in names}

    def _show_figures(self, table, with_curve: bool) -> None:
        """The card, and the curve where it is not there already from the run itself."""
        figures, trace = _figures_of(table)
        self._ui.qualityLabel.setText(quality_text(figures) if figures else "No figures were kept with this result.")
        if with_curve and trace.get("iteration"):
            self._plot.set_trace(trace["iteration"], trace["total"])

    def _count_again(self) -> None:
        if self._parameters is not None and is_alive(self._parameters.determinant):
            self._count()

    def _count(self) -> None:
        parameters = self._parameters
        self.overlay.load(parameters.determinant, parameters.folds, parameters.foldThreshold)
        found = len(self.overlay.folds)
        if found:
            voxels, places = _counted(self.overlay.folded_voxels, "folded voxel"), _counted(found, "place")
            text = f"{voxels} in {places}, {100 * self.overlay.fold_fraction:.2g} % of the lungs"
        else:
            text = "No folds in the lungs"
        self._ui.foldLabel.setText(text)
        for button in (self._ui.previousFoldButton, self._ui.nextFoldButton):
            button.setEnabled(found > 0)

    def _previous_fold(self) -> None:
        self._step(-1)

    def _next_fold(self) -> None:
        self._step(1)

    def _step(self, by: int) -> None:
        reached = self.overlay.step(by)
        if reached is None:
            return
        index, place = reached
        folds = self.overlay.folds
        size = _counted(folds[index].voxels, "voxel")
        where = ", ".join(f"{letter} {value:.1f}" for letter, value in zip("RAS", place))
        self._ui.foldLabel.setText(f"Fold {index + 1} of {len(folds)}: {size} at {where} mm")


def _is_result(determinant, folds) -> bool:
    """Whether these are what a registration left, not nodes that the user chose to be filled."""
    if not (is_alive(determinant) and is_alive(folds)) or determinant.GetImageData() is None:
        return False
    return folds.GetSegmentation().GetSegment(LUNGS) is not None


def _figures_of(table) -> tuple[dict, dict]:
    """Figures and losses of a quality table; nothing where it is gone or another table."""
    if not is_alive(table):
        return {}, {}
    try:
        return read_table(table)
    except NePhiError:
        return {}, {}


def _hide_segments(segmentation) -> None:
    """The overlay shows the folds already, in the lungs and with their surroundings."""
    if is_alive(segmentation) and segmentation.GetDisplayNode() is not None:
        segmentation.GetDisplayNode().SetVisibility(False)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
