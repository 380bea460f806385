"""Scripts run as Slicer runs them without its main window, on the stand-in application."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import NePhiBatch

TESTS = Path(__file__).resolve().parents[1]
SCRIPT = Path(NePhiBatch.__file__).parents[1] / "Resources" / "Scripts" / "NePhiBatch.py"


@contextmanager
def slicer_with(
    script: Path, arguments: Sequence[str], *options: str, folder: Path, **more: str
) -> Iterator[subprocess.Popen]:
    """`Slicer --no-main-window --no-splash OPTIONS --python-script SCRIPT -- ARGUMENTS`, started in a folder.

    NePhi is not on its path: the script must find it where it is installed.
    """
    command = [sys.executable, "-m", "slicer_standin.script_application", "--no-main-window", "--no-splash", *options]
    command += ["--python-script", str(script), "--", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **more}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True, **pipes)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.communicate()
