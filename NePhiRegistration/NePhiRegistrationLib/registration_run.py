"""A registration in a child process, followed from Slicer's event loop without ever holding it up."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Generator
from functools import partial
from pathlib import Path

import qt
import slicer

from NePhiCore.errors import NePhiError, OutputError, RegistrationCancelled
from NePhiCore.geometry import ImageGeometry
from NePhiCore.job_files import RESULT, read_array, read_result, write_job
from NePhiCore.pair_data import GridData
from NePhiCore.progress import Progress
from NePhiCore.worker import KEEP_BEST

from .child_process import ChildProcess, ending_in_words, reap
from .output_nodes import OutputScene
from .panel_words import in_panel_words
from .registration_nodes import RegistrationNodes
from .registration_request import RegistrationRequest

_INTERVAL_MS = 50
_SLICE_S = 0.04  # of work at a time, after which the window has its turn
_REAP_MS = (100, 1000, 5000)  # after a child was killed
_LOADING_SHARE = 0.95  # of the run, where results begin to be put into nodes
WORKER = ("-m", "NePhiCore.worker")


class RegistrationRun:
    """One registration from its start to its nodes.

    The observer has `onProgress(progress)`, `onPreview()`, and of `onFinished(nodes)`, `onFailed(message)` and
    `onCancelled()` exactly one is called, last. All calls come from the event loop.

    Attributes:
        isRunning: from the start until the last call to the observer.
        log: what the child said.
    """

    def __init__(self, request: RegistrationRequest, observer) -> None:
        self._request, self._observer = request, observer
        self._folder = _job_folder()
        self._child: ChildProcess | None = None
        self._outputs = OutputScene(request.outputs, request.fixed, request.moving)
        self._error: NePhiError | None = None
        self._notes: list[str] = []
        self._is_discarded = self._is_advancing = self._is_preview_new = False
        self.isRunning = True
        self._work = self._steps()
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.advance)
        self._timer.start()

    @property
    def log(self) -> str:
        return "".join([self._child.log if self._child else "", *self._notes])

    @property
    def transform(self):
        """The transform node of the live preview and of the result; None as long as there is neither."""
        return self._outputs.nodes.get("transform")

    def cancel(self, keepBest: bool = False) -> None:
        """Stop: with `keepBest` finish with the best so far, else end the child at once and leave the scene as it was.

        Where there is nothing to keep yet, both end in `onCancelled`.
        """
        if keepBest and self._child:
            self._child.tell(KEEP_BEST)
            return
        self._is_discarded = True
        if self._child:
            self._child.kill()

    def advance(self) -> None:
        """Go on for a few hundredths of a second; the timer calls this, and so may who has no event loop."""
        if self._is_advancing:  # the observer let the event loop run
            return
        self._is_advancing = True
        until = time.perf_counter() + _SLICE_S
        try:
            while self.isRunning and time.perf_counter() < until and not self._step():
                pass
        finally:
            self._is_advancing = False

    def _step(self) -> bool:
        """Do one step; True where there is nothing to do but to wait."""
        try:
            self._check_scene()
            return bool(next(self._work))
        except StopIteration as stop:
            self._end(partial(self._observer.onFinished, stop.value))
        except RegistrationCancelled:
            self._give_up()
            self._end(self._observer.onCancelled)
        except Exception as error:
            self._give_up()
            self._end(partial(self._observer.onFailed, self._in_words(error)))
        return True

    def _steps(self) -> Generator[bool | None, None, RegistrationNodes]:
        """The whole run in small steps; one that yields True waits for the child."""
        self._tell(Progress("starting", 0.0))
        inputs = yield from self._request.inputs()
        settings, model_file = self._request.settings.as_dict(), self._request.model_file
        model_file = os.path.abspath(model_file) if model_file else None  # the child works in another folder
        yield from write_job(self._folder, inputs, settings, model_file)
        module_folder = str(Path(__file__).resolve().parents[1])
        self._child = _started([*WORKER, str(self._folder)], module_folder)
        yield from self._follow()
        self._tell(Progress("loading", _LOADING_SHARE))
        nodes = yield from self._outputs.fill(read_result(self._folder))
        self._tell(Progress("done", 1.0))
        yield True  # the window has its turn before the panel takes the result, which is work too
        return nodes

    def _follow(self) -> Generator[bool, None, None]:
        """Wait for the child; raises what it says has gone wrong."""
        while True:
            if self._is_preview_new:  # in a step of its own: filling the grid and drawing through it both take time
                self._is_preview_new = False
                self._observer.onPreview()
            exit_code = self._child.exit_code()
            for message in self._child.messages():
                self._take(message)
            if exit_code is not None:
                break
            yield True
        if self._error:
            raise self._error
        if exit_code != 0 or not (self._folder / RESULT).is_file():
            raise NePhiError(ending_in_words(exit_code, self._child.log))

    def _take(self, message: dict) -> None:
        if "error" in message:
            kind = RegistrationCancelled if message["error"] == RegistrationCancelled.__name__ else NePhiError
            self._error = kind(message["message"])
        elif "preview" in message:
            self._show_preview(message)
        elif "share" in message:
            share = _LOADING_SHARE * message["share"]
            self._tell(Progress(message["step"], share, message["iteration"], message["loss"]))

    def _show_preview(self, message: dict) -> None:
        array = read_array(self._folder / message["preview"])
        grid = GridData(array, ImageGeometry(array.shape[:3], message["ijk_to_ras"]))
        self._outputs.show_preview(grid)
        self._is_preview_new = True

    def _tell(self, progress: Progress) -> None:
        self._observer.onProgress(progress)

    def _check_scene(self) -> None:
        """Raise for a run that was discarded, or whose nodes are no longer in the scene."""
        if self._is_discarded:
            raise RegistrationCancelled("The registration was discarded.")
        watched = [*self._request.input_nodes(), *self._outputs.nodes.values()]
        missing = [node for node in watched if not slicer.mrmlScene.IsNodePresent(node)]
        if len(missing) == len(watched):
            raise NePhiError("The scene was closed while the registration ran, so it was stopped.")
        if missing:
            raise NePhiError(f"{missing[0].GetName()} was removed while the registration ran, so it was stopped.")

    def _give_up(self) -> None:
        """End the child and give the scene back what it had."""
        if self._child:
            self._child.kill()
        self._outputs.undo()

    def _end(self, tell) -> None:
        self._timer.stop()
        self.isRunning = False
        self._work.close()
        if self._child:
            self._child.close()
            for later_ms in _REAP_MS:
                qt.QTimer.singleShot(later_ms, reap)
        shutil.rmtree(self._folder, ignore_errors=True)
        tell()

    def _in_words(self, error: Exception) -> str:
        if isinstance(error, NePhiError):
            return in_panel_words(str(error))
        if isinstance(error, OSError):
            return f"The files of the registration could not be written ({error.strerror or error}). Is the disk full?"
        self._notes.append("".join(traceback.format_exception(error)))
        return f"Unexpected {type(error).__name__}: {error}. The log says where; please report this."


def _job_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="NePhi", dir=slicer.app.temporaryPath))
    except OSError as error:
        raise OutputError(
            f"No folder could be made in {slicer.app.temporaryPath} ({error.strerror or error}). Choose another "
            "temporary directory in the application settings, or free the disk."
        ) from error


def _started(arguments: list[str], module_folder: str) -> ChildProcess:
    try:
        return ChildProcess(arguments, module_folder)
    except OSError as error:
        raise NePhiError(f"The registration process could not be started ({error}). Restart Slicer.") from error
