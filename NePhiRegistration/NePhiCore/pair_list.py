"""A table of pairs: a CSV file that names, row by row, the files of a fixed and a moving image."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from pathlib import Path

from .errors import NePhiError
from .paths import is_safe_name, read_small_file

FILE_COLUMNS = (
    "fixed",
    "moving",
    "fixed_mask",
    "moving_mask",
    "fixed_landmarks",
    "moving_landmarks",
    "initial_transform",
)
_IMAGES = FILE_COLUMNS[:2]
_NAME_COLUMNS = ("case", "name")
_INHALE = "inhale"
_LARGEST_FILE_MIB = 16


@dataclass(frozen=True)
class ListedPair:
    """One row.

    Attributes:
        number: of the row, counted from 1 without the header.
        line: of the file, counted from 1.
        name: column "case" or "name", else "pair" and the number.
        files: FILE_COLUMNS -> path, relative ones from the folder of the table; None where the cell is empty.
        inhale: which image shows inhale, "fixed" or "moving"; None where the table does not say.
    """

    number: int
    line: int
    name: str
    files: dict[str, Path | None]
    inhale: str | None = None


@dataclass(frozen=True)
class BadRow:
    """One row that lists no pair.

    Attributes:
        line: of the file, counted from 1.
        name: what the row calls its pair, where that could be its name; else None.
        problem: what is wrong, and what to do.
    """

    line: int
    name: str | None
    problem: str


@dataclass(frozen=True)
class PairList:
    """What a table says, row by row.

    Attributes:
        pairs: the rows that list a pair, in the order of the table.
        bad_rows: the others.
        ignored: columns that mean nothing here.
    """

    pairs: list[ListedPair]
    bad_rows: list[BadRow]
    ignored: list[str]


def read_pair_list(path: Path) -> list[ListedPair]:
    """Read a table of which every row must list a pair; see ``read_rows``.

    Raises:
        NePhiError: as ``read_rows``, and for bad rows, all of them in one message.
    """
    table = read_rows(path, needs_names=False)
    if table.bad_rows:
        raise NePhiError(f"{path}: " + " ".join(f"Line {row.line}: {row.problem}" for row in table.bad_rows))
    return table.pairs


def read_rows(path: Path, needs_names: bool) -> PairList:
    """Read a table of pairs, its bad rows beside its good ones.

    Args:
        path: CSV, cells divided by comma, semicolon or tab, a row a line; the first line names the columns fixed and
            moving and, if wanted, case (or name), inhale and the others of FILE_COLUMNS.
        needs_names: every row must name its pair.

    Raises:
        NePhiError: missing, no table, a column missing or there twice, no rows at all.
    """
    lines = _lines(path)
    header_line, header_bytes = lines[0] if lines else (1, b"")
    delimiter = max(",;\t", key=header_bytes.decode(errors="replace").count)
    try:
        header = [cell.lower() for cell in _cells(header_bytes, delimiter)]
    except ValueError as error:
        raise NePhiError(f"{path} is no table: line {header_line} {error}") from error
    _check_header(path, header, needs_names)
    reader = _RowReader(path.parent, header, needs_names)
    for line, content in lines[1:]:
        reader.read(line, content, delimiter)
    if not reader.pairs and not reader.bad_rows:
        raise NePhiError(f"{path} lists no pairs. Write one in each line below the header.")
    known = {*FILE_COLUMNS, *_NAME_COLUMNS, _INHALE, ""}
    return PairList(reader.pairs, reader.bad_rows, [column for column in header if column not in known])


def _lines(path: Path) -> list[tuple[int, bytes]]:
    """The lines that hold anything, each with its number. Bytes, so that one foreign letter spoils one row only."""
    content = read_small_file(path, "pairs", _LARGEST_FILE_MIB, NePhiError)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise NePhiError(f"{path} is no text file in UTF-8. Save it as CSV in UTF-8.")
    lines = content.removeprefix(codecs.BOM_UTF8).splitlines()
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip(b" \t,;")]


def _cells(line: bytes, delimiter: str) -> list[str]:
    """The cells of a line; raises ValueError with the end of a sentence that begins with the line."""
    try:
        (row,) = csv.reader([line.decode()], delimiter=delimiter, strict=True) if line else ([],)
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text. Save the table as CSV in UTF-8.") from error
    except csv.Error as error:
        raise ValueError(f"is no row of a table: {error}. Check its quotation marks.") from error
    return [cell.strip() for cell in row]


def _check_header(path: Path, header: list[str], needs_names: bool) -> None:
    missing = [column for column in _IMAGES if column not in header]
    if needs_names and not set(_NAME_COLUMNS) & set(header):
        missing.insert(0, _NAME_COLUMNS[0])
    if missing:
        raise NePhiError(f"{path} has no column {' and '.join(missing)}. Name the columns in the first line.")
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise NePhiError(f"{path} has two columns {' and '.join(twice)}. Give each column its own name.")


class _RowReader:
    """Sorts rows into pairs and bad rows."""

    def __init__(self, folder: Path, header: list[str], needs_names: bool) -> None:
        self.pairs: list[ListedPair] = []
        self.bad_rows: list[BadRow] = []
        self._folder, self._header, self._needs_names = folder, header, needs_names
        self._line_of_name: dict[str, int] = {}

    def read(self, line: int, content: bytes, delimiter: str) -> None:
        number = len(self.pairs) + len(self.bad_rows) + 1
        name = None
        try:
            cells = self._named_cells(_cells(content, delimiter))
            asked = next((cells[column] for column in _NAME_COLUMNS if cells.get(column)), "")
            name = self._own_name(asked or self._name_of(number), line)
            self.pairs.append(self._pair(number, line, name, cells))
        except ValueError as error:
            self.bad_rows.append(BadRow(line, name, str(error)))

    def _named_cells(self, cells: list[str]) -> dict[str, str]:
        if any(cells[len(self._header) :]):
            raise ValueError(
                f"has {len(cells)} cells for {len(self._header)} columns. Put a cell that holds the sign between "
                "cells into quotation marks."
            )
        return dict(zip(self._header, cells))

    def _name_of(self, number: int) -> str:
        if self._needs_names:
            raise ValueError("has no case name. Give each case a name of its own.")
        return f"pair{number}"

    def _own_name(self, name: str, line: int) -> str:
        # Names become names of files, which differ in more than capitals on every system.
        if not is_safe_name(name):
            raise ValueError(
                f"has the name {name!r}, which is no name of a file everywhere. Take letters, digits and - _ + . "
                "alone, at most 100, and no dot first or last."
            )
        first = self._line_of_name.setdefault(name.casefold(), line)
        if first != line:
            raise ValueError(f"has the name {name}, which line {first} has already. Give each case its own name.")
        return name

    def _pair(self, number: int, line: int, name: str, cells: dict[str, str]) -> ListedPair:
        files = {column: self._folder / cells[column] if cells.get(column) else None for column in FILE_COLUMNS}
        missing = [column for column in _IMAGES if files[column] is None]
        problems = [f"names no {' and no '.join(missing)} image. Fill in the cell or delete the line."] * bool(missing)
        if (files["fixed_landmarks"] is None) != (files["moving_landmarks"] is None):
            problems.append("has landmarks of one image only. Name both files or neither.")
        inhale = cells.get(_INHALE, "").lower() or None
        if inhale not in (None, *_IMAGES):
            problems.append(f"says that inhale is {inhale!r}. Write fixed or moving, or leave it empty.")
        if problems:
            raise ValueError(" It ".join(problems))
        return ListedPair(number, line, name, files, inhale)
