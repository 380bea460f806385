"""`nephi` without the search for matches, with cases that do as their names say; workers load this file too.

poison...   kills its worker
held...     waits until a file release_NAME lies in the folder of the results
stuck...    never ends, and lets nothing else in its process go on; its time is up after a second

An image crash.nii.gz crashes who looks at it.
"""

import ctypes
import functools
import os
import signal
import sys
import time
from pathlib import Path

from NePhiBatch import case_run, input_checks, time_limit
from NePhiCore.model import NePhiModel

NePhiModel.encode = lambda self, *images: (self.empty_code(), None)
# Dask loads this file twice in a worker.
_register = getattr(case_run._register, "__wrapped__", case_run._register)
_grid = getattr(input_checks._grid, "__wrapped__", input_checks._grid)


@functools.wraps(_register)
def register(job, attempt, *more):
    name = job.case.name
    if name.startswith("poison"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("stuck"):
        ctypes.PyDLL(None).sleep(1000)  # keeps Python's lock
    if name.startswith("held"):
        Path(job.output / f"waiting_{name}_{os.getpid()}").touch()
        while not (job.output / f"release_{name}").exists():
            time.sleep(0.02)
    _register(job, attempt, *more)


def ended_after(seconds, note):
    return time_limit.ended_after(1.0 if note.name.startswith("overtime-stuck") else seconds, note)


@functools.wraps(_grid)
def grid(path, name):
    if path.name == "crash.nii.gz":
        ctypes.string_at(0)
    return _grid(path, name)


case_run._register, case_run.ended_after, input_checks._grid = register, ended_after, grid

if __name__ == "__main__":
    from NePhiCore.cli import main

    sys.exit(main())
