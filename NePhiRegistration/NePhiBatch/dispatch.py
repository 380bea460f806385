"""Which cases are left to do, and having them done: case by case, by workers that may die."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from NePhiCore.cli_run import Run
from NePhiCore.errors import NePhiError, OutputError, reason_of

from .case_job import CaseJob
from .case_record import FAILED, CaseRecord, read_record
from .case_run import LOG_NAME, given_up
from .ledger import Ledger
from .output_folder import records_in

# A case whose worker dies this often is given up.
MOST_ATTEMPTS = 3
# So often workers may die without having begun a case, and without one that ends meanwhile.
_MOST_FALSE_STARTS = 5
_SECONDS_BETWEEN_LOOKS = 0.2
# Share of the run that looking for what is done seems to take.
_LOOKING = 0.02


class Workers(Protocol):
    """Who registers cases: ``OneWorker`` or ``DaskWorkers``."""

    def capacity(self) -> int: ...

    def submit(self, job: CaseJob) -> Future[CaseRecord]: ...

    def has_died(self, error: BaseException) -> bool: ...


class WorkersLostError(NePhiError):
    """No worker can go on; what was finished is kept."""

    exit_code = 1


def open_jobs(jobs: Sequence[CaseJob], ledger: Ledger, run: Run, retry_failed: bool) -> list[CaseJob]:
    """The jobs that are left to do; the others, and cases of other manifests, go to the ledger.

    Left is what was never done, what has other inputs, settings or weights now, and what is not whole on the disk.

    Raises:
        RegistrationCancelled: after an interrupt; inputs that were touched are read again, which takes time.
        OutputError: the folder cannot be written.
    """
    for record in records_in(ledger.folder.folder):
        ledger.add_stranger(record)
    left = []
    for number, job in enumerate(jobs):
        run.show("looking for what is done", _LOOKING * number / len(jobs))
        if not _is_known(job, ledger, retry_failed):
            left.append(job)
    return left


def _is_known(job: CaseJob, ledger: Ledger, retry_failed: bool) -> bool:
    folder = ledger.folder.case_folder(job.case.name)
    record = read_record(folder)
    if record is None or (record.status == FAILED and retry_failed) or not record.is_whole(folder):
        return False
    recipe = record.recipe.now(job.case, job.settings, job.weights_sha256)
    if not recipe.is_same(record.recipe) or not ledger.add_known(record):
        return False
    record.remember(recipe, folder)
    return True


def work(jobs: Iterable[CaseJob], workers: Workers, ledger: Ledger, run: Run) -> None:
    """Have the jobs done; each goes to the ledger as it ends.

    Raises:
        RegistrationCancelled: after an interrupt.
        NePhiError: no worker can begin, or another run took the folder.
    """
    waiting, at_work, deaths = deque(jobs), {}, _Deaths(ledger)
    while waiting or at_work:
        capacity = workers.capacity()
        while waiting and len(at_work) < capacity:
            job = waiting.popleft()
            ledger.log.note(f"{job.case.name}: given to a worker")
            at_work[workers.submit(job)] = job
        if not at_work:
            run.show("waiting for a worker", _LOOKING)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        ended, _ = wait(at_work, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
        run.stop_if_interrupted()
        if not ledger.folder.run_goes_on():
            raise OutputError(f"Another run took {ledger.folder.folder} over. This one stops.")
        for future in ended:
            job = at_work.pop(future)
            record = _record_of(future, workers) or deaths.record_of(job)
            if record is None:
                waiting.appendleft(job)
                continue
            deaths.false_starts = 0
            ledger.add_new(record)
            share = _LOOKING + (1 - _LOOKING) * ledger.ended / ledger.total
            run.show(f"{ledger.ended} of {ledger.total}, {record.case} {record.status}", share)


def _record_of(future: Future[CaseRecord], workers: Workers) -> CaseRecord | None:
    """How a job ended; None where its worker died."""
    if future.cancelled():
        raise WorkersLostError("The connection to the workers is lost. The same command goes on from here.")
    error = future.exception()
    if error is None:
        return future.result()
    if workers.has_died(error):
        return None
    if isinstance(error, NePhiError):
        raise error
    raise WorkersLostError(f"The workers cannot register: {reason_of(error)}.") from error


class _Deaths:
    """Judges deaths of workers: by a case, by chance, or because none can work here.

    What counts is what was begun: Dask also blames a case that only waited for the worker that died.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.false_starts = 0
        self._ledger = ledger
        self._begun = Counter()

    def record_of(self, job: CaseJob) -> CaseRecord | None:
        """The record of a case that killed its workers too often; None where it shall be tried again.

        Raises:
            WorkersLostError: workers die before they begin any case.
        """
        name, folder = job.case.name, self._ledger.folder
        begun = len(folder.attempts(name))
        self._ledger.log.note(f"{name}: its worker died; attempts that ended so: {begun}, at most {MOST_ATTEMPTS}")
        if begun >= MOST_ATTEMPTS:
            reason = (
                f"Its worker died {begun} times: it crashed, or the system ended it because memory ran out. {LOG_NAME} "
                "says how far it came."
            )
            return given_up(job, reason, folder)
        self.false_starts += begun == self._begun[name]
        self._begun[name] = begun
        if self.false_starts >= _MOST_FALSE_STARTS:
            raise WorkersLostError(
                "Workers die before they begin a case; batch.log, and what they said above, may tell why. No case is "
                "failed for that, the same command goes on from here."
            )
        return None
