"""A table of pairs: a CSV file that names, row by row, the files of a fixed and a moving image."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from .errors import NePhiError
from .paths import check_is_file

FILE_COLUMNS = ("fixed", "moving", "fixed_mask", "moving_mask", "fixed_landmarks", "moving_landmarks")
_NEEDED = FILE_COLUMNS[:2]
_LARGEST_FILE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class ListedPair:
    """One row.

    Attributes:
        number: of the row, counted from 1 without the header.
        name: column "name", else "pair" and the number.
        files: FILE_COLUMNS -> path, relative ones from the folder of the table; None where the cell is empty.
    """

    number: int
    name: str
    files: dict[str, Path | None]


def read_pair_list(path: Path) -> list[ListedPair]:
    """Read a table of pairs.

    Args:
        path: CSV, cells divided by comma, semicolon or tab; the first line names the columns fixed and moving and, if
            wanted, name and the others of FILE_COLUMNS. Other columns are ignored.

    Raises:
        NePhiError: missing, no table, a column or file name missing, landmarks or names that do not fit together.
    """
    text = _text(path)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        ]
    except csv.Error as error:
        raise NePhiError(f"{path} is no table: {error}. Save it as CSV.") from error
    rows = [row for row in rows if any(row)]
    header = [cell.lower() for cell in rows[0]] if rows else []
    missing = [column for column in _NEEDED if column not in header]
    if missing:
        raise NePhiError(f"{path} has no column {' and '.join(missing)}. Name the columns in the first line.")
    pairs = [_pair(number, dict(zip(header, row)), path) for number, row in enumerate(rows[1:], start=1)]
    if not pairs:
        raise NePhiError(f"{path} lists no pairs. Write one in each line below the header.")
    _check_names(path, [pair.name for pair in pairs])
    return pairs


def _text(path: Path) -> str:
    check_is_file(path, "pairs", NePhiError)
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise NePhiError(f"{path} is too large for a table of pairs. Check the path.")
        return path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise NePhiError(f"{path} is no text file. Save it as CSV in UTF-8.") from error


def _pair(number: int, cells: dict[str, str], path: Path) -> ListedPair:
    files = {column: path.parent / cells[column] if cells.get(column) else None for column in FILE_COLUMNS}
    for column in _NEEDED:
        if files[column] is None:
            raise NePhiError(f"{path}: pair {number} names no {column} image. Fill in the cell or delete the line.")
    if (files["fixed_landmarks"] is None) != (files["moving_landmarks"] is None):
        raise NePhiError(f"{path}: pair {number} has landmarks of one image only. Name both files or neither.")
    return ListedPair(number, cells.get("name") or f"pair{number}", files)


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise NePhiError(f"{path}: two pairs are named {name}. Give each its own name.")
        # Names become names of files.
        if not all(letter.isalnum() or letter in "-_+. " for letter in name) or name.startswith("."):
            raise NePhiError(f"{path}: the name {name!r} must consist of letters, digits and - _ + . alone.")
