"""The folder of results: what lies where, and how a case gets there whole. Standard library only.

    OUTPUT/results.csv          a row a case
    OUTPUT/index.html           the report
    OUTPUT/batch.log            what the runs did
    OUTPUT/logs/HOST-PID.log    what each worker did
    OUTPUT/cases/CASE/          the files of a case, case.json among them
    OUTPUT/.batch/              lock and note of the run, and cases in the making: attempts/TOKEN/CASE~NUMBER/

A case is made in a folder of its own under .batch, which becomes OUTPUT/cases/CASE by being renamed. So a case is
there whole or not at all, and a killed worker leaves nothing but an attempt, which the next run clears away.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from NePhiCore.errors import OutputError

from .case_record import DONE, RECORD_NAME, CaseRecord, read_record
from .folder_lock import read_token
from .run_log import RunLog

_MARK = "~"  # is in no case's name


class OutputFolder:
    """The folder of results as one run sees it, or a worker of that run."""

    def __init__(self, folder: Path, token: str = "") -> None:
        self.folder = folder
        self.results = folder / "results.csv"
        self.hidden = hidden_folder(folder)
        self._cases = folder / "cases"
        self._token = token
        self._attempts = self.hidden / "attempts" / token

    def case_folder(self, case: str) -> Path:
        return self._cases / case

    def run_log(self) -> RunLog:
        return RunLog(self.folder / "batch.log")

    def worker_log(self) -> RunLog:
        """The log of this process as a worker."""
        folder = self.folder / "logs"
        folder.mkdir(exist_ok=True)
        return RunLog(folder / f"{worker_name()}.log")

    def run_goes_on(self) -> bool:
        """The run of this token has the folder; True too while the folder cannot be reached."""
        try:
            return read_token(self.hidden) == self._token
        except OSError:
            return True

    def clear(self) -> list[str]:
        """Put away what earlier runs left; returns the cases that were whole but for their renaming, and now are.

        Raises:
            OutputError: something cannot be removed.
        """
        rescued = []
        try:
            for attempt in sorted((self.hidden / "attempts").glob(f"*/*{_MARK}*")):
                record = read_record(attempt)
                if record and record.status == DONE and record.is_whole(attempt) and self._is_news(record):
                    self._put_in_place(attempt, record.case)
                    rescued.append(record.case)
            for leftover in (self.hidden / "attempts").glob("*"):
                shutil.rmtree(leftover)
            for leftover in self.folder.glob(".results.csv.*"):
                leftover.unlink()
            self._attempts.mkdir(parents=True)
            self._cases.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be prepared ({error}). Choose another --output.") from error
        return rescued

    def _is_news(self, record: CaseRecord) -> bool:
        folder = self.case_folder(record.case)
        other = read_record(folder)
        return other.finished < record.finished if other else not folder.exists()

    def is_foreign(self, case: str) -> bool:
        """What lies in the place of a case was not made by a run."""
        folder = self.case_folder(case)
        return os.path.lexists(folder) and not (folder / RECORD_NAME).is_file()

    def begin(self, case: str) -> Path:
        """A new, empty folder to make a case in.

        Raises:
            OutputError: it cannot be made.
        """
        numbers = itertools.count(1)
        while True:
            attempt = self._attempts / f"{case}{_MARK}{next(numbers)}"
            try:
                attempt.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(f"{attempt} cannot be made ({error.strerror}).") from error
            return attempt

    def attempts(self, case: str) -> list[Path]:
        """What is left of attempts of this run that did not end: those of workers that died."""
        return sorted(self._attempts.glob(f"{case}{_MARK}*"), key=lambda path: int(path.name.split(_MARK)[-1]))

    def overtime_note(self, case: str) -> Path:
        """Where it is noted that a case of this run took too long, and what it was doing."""
        return self._attempts / f"overtime-{case}.txt"

    def finish(self, attempt: Path, record: CaseRecord) -> CaseRecord:
        """Put a case in its place, in one step; returns the record that lies there now.

        Where another worker has finished the same case in the meantime, its files stay and these are given up.

        Raises:
            OSError: it cannot be written.
        """
        record.write(attempt)
        there = self.case_folder(record.case)
        other = read_record(there)
        if other and other.status == DONE and other.recipe.is_same(record.recipe) and other.is_whole(there):
            shutil.rmtree(attempt)
            return other
        self._put_in_place(attempt, record.case)
        return record

    def _put_in_place(self, attempt: Path, case: str) -> None:
        target = self.case_folder(case)
        if self.is_foreign(case):
            raise OutputError(f"{target} was not made by nephi batch. Move it away, or choose another --output.")
        if target.exists():
            old = attempt.with_name(f"old-{attempt.name.replace(_MARK, '-')}")
            os.rename(target, old)
            os.rename(attempt, target)
            shutil.rmtree(old)
        else:
            os.rename(attempt, target)


def hidden_folder(folder: Path) -> Path:
    """Where a run keeps what is not for its user."""
    return folder / ".batch"


def worker_name() -> str:
    """Host and process, as logs and records have them."""
    return f"{socket.gethostname()}-{os.getpid()}"


def records_in(folder: Path) -> Iterator[CaseRecord]:
    """The records of all cases in a folder of results, by name."""
    for path in sorted((folder / "cases").glob(f"*/{RECORD_NAME}")):
        record = read_record(path.parent)
        if record is not None and record.case == path.parent.name:
            yield record
