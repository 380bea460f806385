"""The workers of a Dask cluster, and where Dask's own words go. Dask is imported when it is asked for.

Dask starts workers anew that die, hands their cases to others, and gives a case up that has killed several.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from .case_job import CaseJob
from .case_record import CaseRecord
from .case_run import run_case
from .dispatch import WorkersLostError
from .run_log import RunLog

if TYPE_CHECKING:
    from distributed import Client

# A worker that cannot begin is no fault of the case: another may.
_RETRIES = 2
_SECONDS_BETWEEN_COUNTS = 2.0
_LOGGERS = ("distributed", "tornado")


class DaskWorkers:
    """The workers of a Dask cluster.

    Args:
        client: of the cluster.
        patience_s: how long there may be none before the run ends; None where they may wait in a queue.
    """

    def __init__(self, client: Client, patience_s: float | None = None) -> None:
        self._client, self._patience_s = client, patience_s
        self._seen_s = time.monotonic()
        self._theirs: dict[Future, object] = {}  # Dask forgets a task when nobody holds its future
        self._count, self._counted_s = 0, float("-inf")

    def capacity(self) -> int:
        """How many cases can be worked on at the same time: one a worker.

        Raises:
            WorkersLostError: there has been none for too long.
        """
        now = time.monotonic()
        if now - self._counted_s > _SECONDS_BETWEEN_COUNTS:
            self._count, self._counted_s = len(self._client.nthreads()), now
            self._seen_s = now if self._count else self._seen_s
            if self._patience_s is not None and now - self._seen_s > self._patience_s:
                missing = f"There has been no worker for {(now - self._seen_s) / 60:.0f} minutes"
                raise WorkersLostError(f"{missing}; batch.log may tell why. The same command goes on from here.")
        return self._count

    def submit(self, job: CaseJob) -> Future[CaseRecord]:
        """Have a case registered; the future raises KilledWorker where too many workers died meanwhile."""
        ours = Future()
        self._theirs[ours] = self._client.submit(run_case, job, pure=False, retries=_RETRIES)
        self._theirs[ours].add_done_callback(partial(self._hand_over, ours))
        return ours

    def _hand_over(self, ours: Future, theirs: object) -> None:
        """Take a result over as soon as it is there; it waits for one whose worker dies with it, and is made again."""
        try:
            ours.set_result(theirs.result())
        except BaseException as error:
            if theirs.cancelled():
                ours.cancel()
                ours.set_running_or_notify_cancel()
            else:
                ours.set_exception(error)
        del self._theirs[ours]

    def has_died(self, error: BaseException) -> bool:
        """The error of a future says that workers died."""
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)


class _ToRunLog(logging.Handler):
    """Dask's warnings, and of what its workers died, as lines of a log."""

    def __init__(self, log: RunLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or text.startswith("Worker process"):
            self._log.note(f"dask: {text}")


@contextmanager
def dask_logs_to(log: RunLog) -> Iterator[None]:
    """What Dask would print on the terminal goes to a log."""
    handler = _ToRunLog(log)
    known = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    loggers = [logger for logger in known if logger.handlers and logger.name.split(".")[0] in _LOGGERS]
    before = [logger.handlers[:] for logger in loggers]
    for logger in loggers:
        logger.handlers[:] = [handler]
    try:
        yield
    finally:
        for logger, handlers in zip(loggers, before):
            logger.handlers[:] = handlers
