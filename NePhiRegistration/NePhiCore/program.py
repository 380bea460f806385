"""`nephi` as a process of its own: what is set before anything is loaded, and how it ends."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from typing import NoReturn

from .cli import main

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST_KEPT, _MOST_KEPT = 1 << 28, 1 << 30  # bytes
_LARGEST_IN_OLD_GLIBC = 1 << 25


def run() -> NoReturn:
    """The command; ends the process with its exit code."""
    code = 1
    # Registered first, it is called last: Python takes a third of a second to take torch down, object by object.
    atexit.register(lambda: _end(code))
    keep_memory()
    try:
        code = main()
    except SystemExit as end:  # --help, --version
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(code)


def keep_memory() -> None:
    """Have the allocator keep what arrays give back, for the next ones: Linux with glibc, elsewhere nothing.

    It would return large arrays to the system at once, and the system fill each new page with zeros: a tenth of the
    time of a short registration. One pool for all threads, or each would keep its own. Arrays of 256 MiB and more go
    back as ever.
    """
    if not sys.platform.startswith("linux"):
        return
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:
        return
    tune(_ARENA_MAX, 1)
    tune(_TRIM_THRESHOLD, _MOST_KEPT)
    if not tune(_MMAP_THRESHOLD, _LARGEST_KEPT):
        tune(_MMAP_THRESHOLD, _LARGEST_IN_OLD_GLIBC)


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            pass
    os._exit(code)
