"""One process at a time puts its files into a folder. Standard library only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .errors import OutputError

if sys.platform != "win32":  # which has no such locks
    import fcntl

_PATIENCE_S = 30.0
_PAUSE_S = 0.01


@contextmanager
def turn_in(folders: Iterable[Path]) -> Iterator[None]:
    """Have folders to oneself among all who ask for them here; for moments, not for long work.

    The lock is the system's own and ends with its process. Where there are none (Windows, some network disks) it does
    nothing, and of two processes that put the same files into a folder at once the last one wins, file by file.

    Raises:
        OutputError: another process keeps a folder for longer than moving files can take.
    """
    with ExitStack() as held:
        if sys.platform != "win32":
            for folder in sorted(set(folders)):  # always in one order, or two processes could wait for each other
                _take(folder, held)
        yield


def _take(folder: Path, held: ExitStack) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder that may be written and not read
        return
    held.callback(os.close, descriptor)
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise OutputError(
                    f"Another process has been putting its outputs into {folder} for {_PATIENCE_S:g} s. "
                    "See whether it hangs, and try again."
                ) from None
            time.sleep(_PAUSE_S)
        except OSError:  # a disk that knows no locks
            return
