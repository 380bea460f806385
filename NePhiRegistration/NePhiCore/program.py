"""`nephi` as a process of its own, and how it ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn

from .cli import main
from .own_process import set_up_own_process


def run() -> NoReturn:
    """The command; ends the process with its exit code."""
    code = 1
    # Registered first, it is called last: Python takes a third of a second to take torch down, object by object.
    atexit.register(lambda: _end(code))
    set_up_own_process()
    try:
        code = main()
    except SystemExit as end:  # --help, --version
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(code)


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            stream.flush()
    os._exit(code)
