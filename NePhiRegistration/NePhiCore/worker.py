"""The child process that registers for a program with a window: `python -m NePhiCore.worker JOB_FOLDER`.

It reads the job from its folder and leaves the result there. On standard output it writes one JSON object a line:

    {"step": ..., "share": ..., "iteration": ..., "loss": ...}    how far it is
    {"preview": file name, "ijk_to_ras": ...}                     the map so far, an .npy file in the folder
    {"finished": true}                                            the result is whole
    {"error": class name, "message": ...}                         what went wrong, in the words of `errors`

On standard input it takes the line "keep": stop optimising and finish with the best so far. When standard input
closes, its program has ended: it removes the job and ends at once. Everything else that is printed goes to standard
error. Standard library only until the first message is out, for torch takes seconds to load.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DependencyError, NePhiError, OutputError, RegistrationCancelled, where_raised
from .own_process import set_up_own_process
from .progress import Progress

if TYPE_CHECKING:
    from .displacement_field import DisplacementField

KEEP_BEST = "keep"
_NICENESS = 10  # the program's window comes first


class Messages:
    """JSON lines on what was standard output when this was made; afterwards print() goes to standard error."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def send(self, message: dict[str, object]) -> None:
        os.write(self._descriptor, (json.dumps(message) + "\n").encode())

    def progress(self, message: Progress) -> None:
        self.send(dataclasses.asdict(message))


class Parent:
    """What the program says over standard input.

    Attributes:
        happened: it wants the best so far.
    """

    def __init__(self, folder: Path) -> None:
        self.happened = False
        self._folder = folder
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        # Not through sys.stdin: a thread that waits in there would keep Python from ending.
        heard = b""
        while piece := os.read(0, 1024):
            heard += piece
            self.happened = KEEP_BEST.encode() in heard.split()
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(RegistrationCancelled.exit_code)


def main(folder: Path) -> int:
    """Do the job in a folder; returns the exit code, 0 where a result was left there."""
    messages = Messages()
    messages.progress(Progress("starting", 0.0))
    _step_back()
    set_up_own_process()
    parent = Parent(folder)
    try:
        _register(folder, messages, parent)
    except NePhiError as error:
        return _failed(messages, type(error).__name__, str(error), error.exit_code)
    except OSError as error:
        message = f"Files in {folder} could not be read or written: {error.strerror or error}. Is the disk full?"
        return _failed(messages, OutputError.__name__, message, OutputError.exit_code)
    except Exception as error:
        traceback.print_exc()
        message = f"Unexpected {type(error).__name__}: {error} ({where_raised(error)}). Please report this."
        return _failed(messages, type(error).__name__, message, 1)
    messages.send({"finished": True})
    return 0


def _step_back() -> None:
    """Leave the processor to the program whenever it wants it."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Linux shares the processor out among sessions first, whatever the niceness of the processes in them.
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICENESS), encoding="ascii")


def _failed(messages: Messages, kind: str, message: str, exit_code: int) -> int:
    messages.send({"error": kind, "message": message})
    return exit_code


def _register(folder: Path, messages: Messages, parent: Parent) -> None:
    _load_torch()
    from .checkpoint import load_checkpoint
    from .cli_run import Run
    from .job_files import read_job, write_preview, write_result
    from .model_store import default_model_path
    from .pair_outputs import registered_pair
    from .settings import RegistrationSettings

    inputs, settings, model_file = read_job(folder)
    count = 0

    def show(field: DisplacementField) -> None:
        nonlocal count
        name = f"preview_{count % 2}.npy"  # the program may still be reading the last one
        count += 1
        write_preview(folder / name, field.displacement_ras_mm)
        messages.send({"preview": name, "ijk_to_ras": field.geometry.ijk_to_ras.tolist()})

    run = Run(messages.progress, parent, keep_partial=True)
    model = load_checkpoint(Path(model_file) if model_file else default_model_path())
    outputs = registered_pair(inputs, RegistrationSettings(**settings), model, run, show)
    write_result(folder, outputs)


def _load_torch() -> None:
    """Load torch, saying in words what stands in the way."""
    try:
        import torch  # noqa: F401 (is it there?)
    except ImportError as error:
        raise DependencyError(
            f"PyTorch cannot be loaded ({error}). Install it with the PyTorch extension, module PyTorch Utils."
        ) from error
    except Exception as error:
        raise DependencyError(
            f"PyTorch is installed but does not load ({type(error).__name__}: {error}), perhaps because it was built "
            "for another numpy. Reinstall it with the PyTorch extension, module PyTorch Utils."
        ) from error


if __name__ == "__main__":
    exit_code = main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(exit_code)  # the program waits for the end, and taking torch down object by object takes a while
