"""Signals that are the run's own business, not that of its workers. Standard library only."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_blocked(*names: str) -> Iterator[None]:
    """Threads and processes that are started in the block never take these signals, from their first moment on.

    A terminal sends Ctrl-C to every process that was started from it. On Windows, which has no such mask, nothing
    changes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # a process of Python's own, whose start would end the blocking
    numbers = {getattr(signal, name) for name in names}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
