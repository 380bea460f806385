"""One worker on this machine, with nothing but Python's standard library.

What reads anybody's files works in a process of its own: where it crashes, or the system ends it because memory runs
out, it does not take the run with it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TypeVar

from NePhiCore.errors import RegistrationCancelled

from .case_job import CaseJob
from .case_record import CaseRecord
from .case_run import run_case
from .signal_mask import signals_blocked

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="OneProcess")


class OneProcess:
    """A process beside the run, for the time of a ``with`` block; started when it is needed, and anew after it died."""

    def __init__(self) -> None:
        # Not forked: a fork would inherit the lock of the folder and whatever the run's threads hold.
        self._context = multiprocessing.get_context("spawn")
        self._executor: ProcessPoolExecutor | None = None
        self._ending, self._line = self._context.Pipe(duplex=False)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._line.close()  # which ends the process, whatever it is doing
        self._ending.close()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def ask(self, work: Callable[..., _T], *arguments: object) -> Future[_T]:
        """Have a function called there; the future raises BrokenExecutor where the process died of it."""
        if self._executor is not None:
            try:
                return self._executor.submit(work, *arguments)
            except BrokenExecutor:
                self._executor.shutdown()
        self._executor = ProcessPoolExecutor(1, self._context, _begin, (self._ending,))
        with signals_blocked("SIGINT", "SIGTERM", "SIGHUP"):  # the process starts with what it is first asked
            return self._executor.submit(work, *arguments)


class OneWorker(OneProcess):
    """Registers one case at a time."""

    def capacity(self) -> int:
        """How many cases can be worked on at the same time."""
        return 1

    def submit(self, job: CaseJob) -> Future[CaseRecord]:
        """Have a case registered."""
        return self.ask(run_case, job)

    def has_died(self, error: BaseException) -> bool:
        """The error of a future says that the process died."""
        return isinstance(error, BrokenExecutor)


def _begin(line: Connection) -> None:
    """In the process: end with the run."""
    threading.Thread(target=_end_with_the_run, args=(line,), daemon=True).start()


def _end_with_the_run(line: Connection) -> None:
    try:
        line.recv_bytes()
    except (EOFError, OSError):  # its other end is closed, or its process is gone
        os._exit(RegistrationCancelled.exit_code)
