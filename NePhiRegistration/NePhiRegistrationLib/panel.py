"""The panel: what the user chooses, what is missing, and the run and result that come of it."""

from __future__ import annotations

from html import escape

import qt
import slicer

from NePhiCore.free_memory import free_main_memory_bytes, gigabytes

from . import slice_layers
from .gpu_query import GpuQuery
from .parameter_node import INPUTS, NODES, OUTPUTS, VOLUMES, Device, Optimise, chosen_inputs
from .registration_nodes import OutputNodes
from .result_view import ResultView
from .rich_text import BAD, GOOD, coloured, remarks_text
from .run_view import RunView

_PREFLIGHT_DELAY_MS = 200
_WATCH_INTERVAL_MS = 1000


class RegistrationPanel:
    """Behaviour of the widgets of NePhiRegistration.ui.

    Args:
        ui: widgets by their name in the .ui file.
        logic: NePhiRegistrationLogic.
    """

    def __init__(self, ui, logic) -> None:
        self._ui, self._logic = ui, logic
        self._parameters = None
        self._preset = None
        self._asked, self._result_ids = None, None
        self._has_errors = False
        self.run = RunView(ui, self._on_end)
        self.result = ResultView(ui, self.run.plot)
        self._preflight = _timer(_PREFLIGHT_DELAY_MS, self._show_remarks, single=True)
        self._gpu = GpuQuery()
        self._watch = _timer(_WATCH_INTERVAL_MS, self._watch_surroundings)
        ui.applyButton.clicked.connect(self._on_apply)
        ui.modelFileButton.clicked.connect(self._choose_model_file)
        self._show_message("", is_good=True)
        ui.remarksLabel.setVisible(False)

    def set_parameters(self, parameters) -> None:
        """Follow another parameter node; None while there is none."""
        self._parameters = parameters
        self._asked = self._result_ids = None
        self.result.clear()
        if parameters is None:
            self._preflight.stop()
            self._show_button()
        else:
            self._preset = parameters.preset
            self.parameters_changed()

    def enter(self) -> None:
        self._show_memory()
        self._watch.start()

    def exit(self) -> None:
        self._watch.stop()
        self.result.pause()

    def scene_closing(self) -> None:
        """The scene goes away with everything in it."""
        was_running = self.run.is_running
        self.run.abandon()
        self.set_parameters(None)
        closed = "The scene was closed, so the registration was stopped." if was_running else ""
        self._show_message(closed, is_good=False)

    def node_going(self, node) -> None:
        """A node is about to be removed: choose none in its place, where Slicer's selectors would choose another."""
        if self._parameters is None:
            return
        chosen = [name for name in NODES if getattr(self._parameters, name) is node]
        if chosen:
            with slicer.util.NodeModify(self._parameters):
                for name in chosen:
                    setattr(self._parameters, name, None)

    def cleanup(self) -> None:
        """The panel goes away."""
        self.run.abandon()
        self.result.clear()
        self._watch.stop()
        self._preflight.stop()

    def parameters_changed(self) -> None:
        """Bring the panel in line with the parameter node."""
        if self._parameters is None:
            return
        if self._parameters.preset != self._preset:
            self._take_preset()
            return
        self._show_button()
        self._show_memory()
        if not self.run.is_running:
            self._load_result_if_other()
            self.result.update()
            self._ask_for_remarks_if_other()

    def _take_preset(self) -> None:
        """Write what a newly chosen preset means into the settings that it decides."""
        from NePhiCore.settings import settings_for

        parameters = self._parameters
        self._preset = parameters.preset
        settings = settings_for(parameters.preset.value)
        with slicer.util.NodeModify(parameters):
            parameters.iterations = settings.iterations
            parameters.optimise = Optimise(settings.optimise)
        self.parameters_changed()

    # What is missing, and Apply

    def missing(self) -> str:
        """What keeps the registration from beginning, as the button says it; "" when nothing does."""
        parameters = self._parameters
        if parameters is None or parameters.fixedVolume is None:
            return "Select a fixed volume"
        if parameters.movingVolume is None:
            return "Select a moving volume"
        if parameters.fixedVolume is parameters.movingVolume:
            return "Select two different volumes"
        if (parameters.fixedLandmarks is None) != (parameters.movingLandmarks is None):
            other = "moving" if parameters.movingLandmarks is None else "fixed"
            return f"Select the {other} landmarks too"
        return "See the remarks in red" if self._has_errors else ""

    def _show_button(self) -> None:
        button, is_running = self._ui.applyButton, self.run.is_running
        missing = "" if is_running else self.missing()
        button.setText("Cancel" if is_running else missing or "Apply")
        button.setEnabled(not missing)
        for part in (self._ui.inputsButton, self._ui.methodButton, self._ui.outputsButton):
            part.setEnabled(not is_running)

    def _on_apply(self) -> None:
        if self.run.is_running:
            self.run.ask_how_to_cancel()
            return
        self._preflight.stop()
        self._show_remarks()
        if not self.missing():
            self._start()

    def _start(self) -> None:
        parameters = self._parameters
        pair = parameters.fixedVolume, parameters.movingVolume
        outputs = OutputNodes(**{name: getattr(parameters, name) for name in OUTPUTS})
        self._show_message("", is_good=True)

        def start_run(observer):
            return self._logic.startRegistration(*pair, observer=observer, outputs=outputs, **chosen_inputs(parameters))

        self.result.clear()
        # Slicer shows a mask that is loaded opaque, over the preview and the overlay too.
        slice_layers.take_away_labels([parameters.fixedMask, parameters.movingMask])
        self.run.start(start_run, pair, parameters.iterations, parameters.livePreview)
        self._show_button()

    def _on_end(self, nodes, message: str) -> None:
        parameters = self._parameters
        if nodes is not None and parameters is not None:
            self._result_ids = _output_ids(nodes)  # so that it is not loaded by the change of parameters too
            with slicer.util.NodeModify(parameters):
                for name in OUTPUTS:
                    setattr(parameters, name, getattr(nodes, name))
                parameters.overlay = True
            self.result.load(parameters, first_look=True)
        self._show_message(message, is_good=nodes is not None)
        if nodes is None:
            self._result_ids = None
        self.parameters_changed()

    def _show_message(self, text: str, is_good: bool) -> None:
        self._ui.messageLabel.setText(coloured(escape(text), GOOD if is_good else BAD))
        self._ui.messageLabel.setVisible(bool(text))

    # What is in the scene already

    def _load_result_if_other(self) -> None:
        if _output_ids(self._parameters) != self._result_ids:
            self._result_ids = _output_ids(self._parameters)
            self.result.load(self._parameters, first_look=False)

    # What to know before a run

    def _ask_for_remarks_if_other(self) -> None:
        parameters = self._parameters
        nodes = [getattr(parameters, name) for name in (*VOLUMES, *INPUTS)]
        asked = ([node and node.GetID() for node in nodes], chosen_inputs(parameters))
        if asked != self._asked:
            self._asked = asked
            self._preflight.start()

    def _show_remarks(self) -> None:
        parameters = self._parameters
        if parameters is None or self.run.is_running:
            return
        remarks = []
        if parameters.fixedVolume is not None and parameters.movingVolume is not None:
            inputs = chosen_inputs(parameters)
            remarks = self._logic.preflight(parameters.fixedVolume, parameters.movingVolume, **inputs)
        self._has_errors = any(remark.severity == "error" for remark in remarks)
        self._ui.remarksLabel.setText(remarks_text(remarks))
        self._ui.remarksLabel.setVisible(bool(remarks))
        self._show_button()

    # Device and model

    def _watch_surroundings(self) -> None:
        """What changes without a choice: free memory, and the width of the panel."""
        self._show_memory()
        self.run.plot.follow_size()

    def _show_memory(self) -> None:
        main = f"{gigabytes(free_main_memory_bytes())} of memory free"
        gpu = (self._gpu.answer or "no NVIDIA GPU found") if self._gpu.is_answered() else "asking for the GPU"
        device = self._parameters.device if self._parameters is not None else Device.AUTO
        has_gpu = bool(self._gpu.answer)
        uses_gpu = device == Device.CUDA or (device == Device.AUTO and has_gpu)
        self._ui.memoryLabel.setText(gpu if uses_gpu else main)

    def _choose_model_file(self) -> None:
        path = qt.QFileDialog.getOpenFileName(self._ui.modelFileButton, "Weights", "", "NePhi weights (*.pt)")
        if path and self._parameters is not None:
            self._parameters.modelFile = path


def _output_ids(outputs) -> tuple:
    """IDs of the nodes that a parameter node, or a finished registration, names and the result view shows."""
    nodes = (getattr(outputs, name) for name in ("determinant", "folds", "warped", "quality"))
    return tuple(node.GetID() if node is not None else None for node in nodes)


def _timer(interval_ms: int, slot, single: bool = False):
    timer = qt.QTimer()
    timer.setInterval(interval_ms)
    timer.setSingleShot(single)
    timer.timeout.connect(slot)
    return timer
