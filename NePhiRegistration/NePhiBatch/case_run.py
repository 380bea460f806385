"""What a worker does: one case, from its files to its folder. Torch is loaded when the first case comes."""

from __future__ import annotations

import functools
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from NePhiCore.cli_run import Run
from NePhiCore.errors import RegistrationCancelled, reason_of
from NePhiCore.output_paths import lung_function_paths, paths_in
from NePhiCore.progress import Progress
from NePhiCore.register_command import read_pair

from .case_job import CaseJob
from .case_record import DONE, FAILED, CaseRecord, read_record, sizes_in
from .folder_names import without_folders
from .output_folder import OutputFolder, worker_name
from .run_log import RunLog, now_utc
from .time_limit import ended_after
from .worker_start import ready_for

if TYPE_CHECKING:
    from NePhiCore.checkpoint import LoadedModel
    from NePhiCore.pair_run import Products

LOG_NAME = "log.txt"
_SECONDS_BETWEEN_LOOKS = 1.0

# A worker may be given a second case before it is through with the first; its memory is for one.
_one_at_a_time = threading.Lock()


def run_case(job: CaseJob) -> CaseRecord:
    """Register a case and put its folder in place; one that fails has a record that says why.

    Raises:
        NePhiError: what is no fault of the case: other weights, another version, a device that is not there.
        RegistrationCancelled: the run is over; nothing was put in place.
    """
    with _one_at_a_time:
        name, folder = job.case.name, OutputFolder(job.output, job.token)
        there = read_record(folder.case_folder(name))
        if there and there.run == job.token:  # Dask asks again for a result that its worker died with
            return there
        log, overtime = folder.worker_log(), folder.overtime_note(name)
        if overtime.exists() and overtime.stat().st_size:  # it would take as long again
            return given_up(job, _too_long(job), folder, without_folders(overtime.read_text(encoding="utf-8")))
        with ended_after(job.time_limit_s, log.path):
            model = ready_for(job)
        attempt = folder.begin(name)
        number = len(folder.attempts(name))
        log.note(f"{name}: begins, attempt {number} of run {job.token}")
        with ended_after(job.time_limit_s, overtime):
            record = _made(job, attempt, number, model, _StopSign(folder))
        log.note(f"{name}: {'registered' if record.status == DONE else f'failed: {record.reason}'}")
        there = folder.finish(attempt, record)
        log.note(f"{name}: {'in place' if there is record else 'dropped, it was in place already'}")
        return there


def _made(job: CaseJob, attempt: Path, number: int, model: LoadedModel, stop: _StopSign) -> CaseRecord:
    """Fill the folder of an attempt; what goes wrong with the case itself becomes its record."""
    start = time.perf_counter()
    log = RunLog(attempt / LOG_NAME)
    log.note(f"{job.case.name}, attempt {number}")
    recipe, reason = job.recipe(), ""
    try:
        run = Run(_StepLines(log), stop)
        _register(job, attempt, model, run, log)
        run.stop_if_interrupted()
    except RegistrationCancelled:
        shutil.rmtree(attempt)
        raise
    except Exception as error:
        reason = without_folders(reason_of(error))
        _keep_only_log(attempt)
    log.note(f"failed: {reason}" if reason else "done")
    return CaseRecord(
        case=job.case.name,
        status=FAILED if reason else DONE,
        reason=reason,
        attempts=number,
        recipe=recipe,
        seconds=time.perf_counter() - start,
        finished=now_utc(),
        worker=worker_name(),
        run=job.token,
        outputs=sizes_in(attempt),
    )


def given_up(job: CaseJob, reason: str, folder: OutputFolder, last_words: str = "") -> CaseRecord:
    """Put a case in place that ended without a word, with the log of its last attempt and what else is known of it."""
    name = job.case.name
    attempts = folder.attempts(name)
    place = folder.begin(name)
    log = RunLog(place / LOG_NAME)
    if attempts:
        with suppress(FileNotFoundError):
            shutil.copyfile(attempts[-1] / LOG_NAME, log.path)
    with log.path.open("a", encoding="utf-8") as file:
        file.write(last_words)
    log.note(f"failed: {reason}")
    record = CaseRecord(
        case=name,
        status=FAILED,
        reason=reason,
        attempts=len(attempts),
        recipe=job.recipe(),
        seconds=0.0,
        finished=now_utc(),
        worker=worker_name(),
        run=job.token,
        outputs=sizes_in(place),
    )
    return folder.finish(place, record)


def _too_long(job: CaseJob) -> str:
    return (
        f"It was not done after {job.time_limit_s / 60:g} minutes; {LOG_NAME} says what it was doing. Try again with "
        "--retry-failed, and a longer --time-limit if it needs one."
    )


def _register(job: CaseJob, folder: Path, model: LoadedModel, run: Run, log: RunLog) -> None:
    from NePhiCore.device import memory_errors_in_words
    from NePhiCore.pair_run import register_and_write

    paths = paths_in(folder, **lung_function_paths(folder))
    with memory_errors_in_words():
        with run.step("reading"):
            pair = read_pair(job.case.files, job.case.inhale)
        register_and_write(pair, job.settings, model, paths, run, functools.partial(_draw, folder, log))


def _draw(folder: Path, log: RunLog, products: Products, report: dict) -> None:
    """The pictures of the report; a case is not lost for them."""
    from .case_pictures import write_case_pictures

    fixed, moving = products.pair.fixed, products.pair.moving
    try:
        folds = products.folds if report["jacobian"]["folds_any_one_sided"] else None
        lungs, response = products.result.fixed_lungs, products.lung_function.parametric_response.whole()
        write_case_pictures(folder, fixed, moving, products.warped, products.determinant, lungs, folds, response)
    except Exception as error:
        log.note(f"no pictures: {without_folders(reason_of(error))}")


def _keep_only_log(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOG_NAME:
            path.unlink()


class _StopSign:
    """Whether the run that asked for a case is over, looked up now and then, in the place of an Interruption."""

    def __init__(self, folder: OutputFolder) -> None:
        self._folder = folder
        self._looked_s, self._is_over = float("-inf"), False

    @property
    def happened(self) -> bool:
        now = time.monotonic()
        if now - self._looked_s > _SECONDS_BETWEEN_LOOKS:
            self._looked_s, self._is_over = now, not self._folder.run_goes_on()
        return self._is_over


class _StepLines:
    """Progress as a line a step in the log of a case."""

    def __init__(self, log: RunLog) -> None:
        self._log, self._step = log, ""

    def __call__(self, message: Progress) -> None:
        if message.step != self._step:
            self._step = message.step
            self._log.note(message.step)
