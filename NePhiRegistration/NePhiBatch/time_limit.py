"""An end for work that does not end by itself. Standard library only."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def ended_after(seconds: float | None, note: Path) -> Iterator[None]:
    """Where the block takes longer, the process notes what each of its threads is doing, and ends at once.

    A thread outside Python sees to that: it also ends work that stands still in the code of a library.

    Args:
        seconds: None for no limit.
        note: added to; one that is empty after the block is gone.
    """
    if seconds is None:
        yield
        return
    try:
        with note.open("a", encoding="utf-8") as file:
            faulthandler.dump_traceback_later(seconds, exit=True, file=file)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
    finally:
        with suppress(OSError):  # its folder may have gone with the run
            if not note.stat().st_size:
                note.unlink()
