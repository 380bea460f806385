"""What became of each case of a manifest: figures for the end of the run, and the table on the disk.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from NePhiCore.errors import OutputError

from .case_record import DONE, CaseRecord
from .manifest import Problem
from .output_folder import OutputFolder
from .results_table import Row, refused_row, row_of, write_results
from .run_log import RunLog


@dataclass
class Ledger:
    """The cases of a manifest, as far as they have ended.

    Attributes:
        total: how many there are, bad rows among them.
        before: how many were done by an earlier run.
        done: how many are done by this one.
        failed: name or place of the others -> the reason.
    """

    folder: OutputFolder
    log: RunLog
    total: int = 0
    before: int = 0
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    _rows: dict[str, Row | None] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        return self.before + self.done + len(self.failed)

    def open(self, cases: Iterable[str], rows_without_case: int) -> None:
        """Take down the cases in the order of the table, and how many rows are none."""
        self._rows = dict.fromkeys(cases)
        self.total = len(self._rows) + rows_without_case

    def refuse(self, problem: Problem) -> None:
        """A case or row that cannot be tried."""
        key = problem.case or problem.place
        self.failed[key] = " ".join(filter(None, (self.failed.get(key), problem.text)))
        self.log.note(f"{problem.place}: {problem.text}")
        if problem.case:
            self._rows[problem.case] = refused_row(replace(problem, text=self.failed[key]))

    def add_stranger(self, record: CaseRecord) -> None:
        """A case of another manifest, whose row stays in the table."""
        if record.case not in self._rows:
            self._rows[record.case] = self._row(record)

    def add_known(self, record: CaseRecord) -> bool:
        """A case that ended in an earlier run; False where its figures cannot be read."""
        row = self._row(record)
        if row is not None:
            self._add(record, row)
            self.before += record.status == DONE
        return row is not None

    def add_new(self, record: CaseRecord) -> None:
        """A case that ended now; the table on the disk grows by it."""
        self._add(record, self._row(record))
        self.done += record.status == DONE
        self.log.note(f"{record.case}: {record.status} in {record.seconds:.1f} s by {record.worker}. {record.reason}")
        try:
            self.write()
        except OutputError as error:  # the case itself is kept; the table is written again with the next one
            self.log.note(str(error))

    def write(self) -> None:
        """Write the table.

        Raises:
            OutputError: it cannot be written.
        """
        write_results(self.folder.results, [row for row in self._rows.values() if row is not None])

    def _add(self, record: CaseRecord, row: Row | None) -> None:
        self._rows[record.case] = row
        if record.status != DONE:
            self.failed[record.case] = record.reason

    def _row(self, record: CaseRecord) -> Row | None:
        try:
            return row_of(record, self._folder_of(record))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _folder_of(self, record: CaseRecord) -> Path:
        return self.folder.case_folder(record.case)
