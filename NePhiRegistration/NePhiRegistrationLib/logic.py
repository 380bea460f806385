"""NePhiRegistrationLogic: registration of volumes of the scene, with or without a panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from NePhiCore.errors import NePhiError, RegistrationCancelled
from NePhiCore.progress import ProgressCallback

from .dependencies import ensure_torch
from .output_nodes import OutputScene
from .panel_words import in_panel_words
from .registration_nodes import OutputNodes, RegistrationNodes, Remark
from .registration_request import RegistrationRequest
from .registration_run import RegistrationRun
from .steps import run_through


class NePhiRegistrationLogic(ScriptedLoadableModuleLogic):
    """Registers two volumes of the scene; needs neither a panel nor a main window.

    logic = NePhiRegistrationLogic()
    nodes = logic.register(slicer.util.getNode("inhale"), slicer.util.getNode("exhale"), preset="fast")
    print(nodes.figures["inverse_consistency_mm"])
    """

    def register(
        self,
        fixedVolume,
        movingVolume,
        *,
        inChildProcess: bool = False,
        progress: ProgressCallback | None = None,
        isCancelled: Callable[[], bool] | None = None,
        outputs: OutputNodes | None = None,
        **inputs,
    ) -> RegistrationNodes:
        """Register and wait for the result; for the console and for scripts. Both ways give the same numbers.

        Args:
            fixedVolume, movingVolume: vtkMRMLScalarVolumeNode, CT of one patient in HU; any grids and orientations,
                also under linear transforms.
            inChildProcess: compute in another process, so that a crash or a lack of memory there leaves Slicer alive.
            progress: told how far it is, see NePhiCore.progress.Progress.
            isCancelled: asked often; once it says yes, the result is the best so far.
            outputs: nodes to fill; what is None is created.
            **inputs: all optional:
                preset: "fast", "balanced" or "accurate".
                fixedMask, movingMask: lungs, vtkMRMLSegmentationNode (all segments) or vtkMRMLLabelMapVolumeNode;
                    found where they are None.
                initialTransform: vtkMRMLTransformNode that brings the moving volume nearer to the fixed one, not
                    applied to it yet.
                fixedLandmarks, movingLandmarks: vtkMRMLMarkupsFiducialNode, the same points in the same order, for
                    the landmark error.
                modelFile: weights; the shipped ones where it is None.
                lungFunction: True for the ventilation and parametric response maps of an inhale and exhale pair.
                inhale: which volume is at inhale, "fixed" or "moving"; None is the one with the larger lungs.
                Any field of NePhiCore.settings.RegistrationSettings, such as iterations=100 or device="cpu".

        Raises:
            NePhiError: what went wrong and what to do; the scene is as it was.
        """
        ensure_torch()
        request = RegistrationRequest(fixedVolume, movingVolume, outputs=outputs, **inputs)
        tell, is_cancelled = progress or (lambda message: None), isCancelled or (lambda: False)
        if inChildProcess:
            return _wait(request, tell, is_cancelled)
        scene = OutputScene(request.outputs, request.fixed, request.moving)
        try:
            return run_through(scene.fill(_registered(request, tell, is_cancelled)))
        except BaseException as error:
            scene.undo()
            if isinstance(error, NePhiError):
                error.args = (in_panel_words(str(error)),)
            raise

    def startRegistration(
        self, fixedVolume, movingVolume, *, observer, outputs: OutputNodes | None = None, **inputs
    ) -> RegistrationRun:
        """Begin a registration in a child process and return at once.

        Args:
            observer: see `RegistrationRun`.
            fixedVolume, movingVolume, outputs, **inputs: as in `register`.

        Raises:
            NePhiError: what cannot be registered as asked; nothing was begun.
        """
        ensure_torch()
        request = RegistrationRequest(fixedVolume, movingVolume, outputs=outputs, **inputs)
        return RegistrationRun(request, observer)

    def preflight(self, fixedVolume, movingVolume, **inputs) -> list[Remark]:
        """What the user should know before; arguments as in `register`. Quick, whatever the volumes' size."""
        from .preflight import remarks_on

        return remarks_on(fixedVolume, movingVolume, **inputs)


def _registered(request: RegistrationRequest, tell: ProgressCallback, is_cancelled: Callable[[], bool]):
    """The registration of a request, in this process."""
    from pathlib import Path

    from NePhiCore.checkpoint import load_checkpoint
    from NePhiCore.cli_run import Run
    from NePhiCore.model_store import default_model_path
    from NePhiCore.pair_outputs import registered_pair

    class Asked:
        happened = property(lambda self: is_cancelled())

    run = Run(tell, Asked(), keep_partial=True)
    model = load_checkpoint(Path(request.model_file) if request.model_file else default_model_path())
    return registered_pair(run_through(request.inputs()), request.settings, model, run)


def _wait(request: RegistrationRequest, tell: ProgressCallback, is_cancelled: Callable[[], bool]) -> RegistrationNodes:
    """The registration of a request in a child process; the window is redrawn meanwhile."""
    ended: dict[str, object] = {}
    observer = SimpleNamespace(
        onProgress=tell,
        onPreview=lambda: None,
        onFinished=lambda nodes: ended.update(nodes=nodes),
        onFailed=lambda message: ended.update(error=NePhiError(message)),
        onCancelled=lambda: ended.update(error=RegistrationCancelled("Cancelled before there was a result.")),
    )
    run = RegistrationRun(request, observer)
    asked = False
    try:
        while run.isRunning:
            if not asked and is_cancelled():
                asked = True
                run.cancel(keepBest=True)
            run.advance()
            slicer.app.processEvents()
            time.sleep(0.01)
    finally:
        if run.isRunning:
            run.cancel()
            run.advance()
    if "error" in ended:
        raise ended["error"]
    return ended["nodes"]
