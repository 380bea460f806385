"""What lies in the folder of a batch, as the report shows it. Standard library only.

Nothing that is read here is trusted: a file may be damaged, a text may hold the name of a folder on somebody's disk.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from NePhiCore.errors import OutputError
from NePhiCore.paths import is_safe_name
from NePhiCore.warning_codes import messages_of

from .folder_names import without_folders

RESULTS, CASES, REPORT, LOG = "results.csv", "cases", "report.json", "log.txt"
DONE = "done"
PICTURES = Path("pictures", "pictures.json")
_WORDS = ("case", "status", "reason")
_PLANES = 3


@dataclass(frozen=True)
class Pictures:
    """Where each plane lies in the pictures of a case, and how det J is distributed.

    Attributes:
        files: their names.
        size: width and height of every one.
        pixel_mm: side of a pixel.
        planes: axial, coronal, sagittal: where it lies, and left, top, width, height.
        shares: of the lungs, by det J.
    """

    files: list[str]
    size: list[int]
    pixel_mm: float
    planes: list[tuple[str, list[int]]]
    shares: list[float]


@dataclass(frozen=True)
class Case:
    """One row of the report.

    Attributes:
        name, status, reason: words of results.csv.
        figures: by column; those that are there, finite.
        texts: the same of columns that hold words.
        warnings: of report.json, and what could not be read.
        settings: what it was done with.
        seconds: of each step.
        files: those that can be opened: report.json, log.txt.
        pictures: None where there are none.
    """

    name: str
    status: str
    reason: str
    figures: dict[str, float]
    texts: dict[str, str]
    warnings: list[str]
    settings: dict[str, str | float]
    seconds: dict[str, float]
    files: list[str]
    pictures: Pictures | None


def read_cases(output: Path) -> list[Case]:
    """Every case of results.csv with what lies in its folder, in the file's order; of two rows of one name the last.

    Raises:
        OutputError: there is no results.csv, or it cannot be read.
    """
    rows = _read_rows(output / RESULTS)
    is_text = {column for row in rows.values() for column, cell in row.items() if cell and _number(cell) is None}
    return [_read_case(output, name, row, is_text) for name, row in rows.items()]


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file, restval="", restkey="") if row.get("case")]
    except FileNotFoundError as error:
        raise OutputError(f"There is no {path}: give the output folder of a batch.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path} cannot be read ({error}). Run the batch again: it is then written anew.") from error
    return {row["case"]: {column: cell.strip() for column, cell in row.items() if column} for row in rows}


def _read_case(output: Path, name: str, row: dict[str, str], is_text: set[str]) -> Case:
    folder = output / CASES / name if is_safe_name(name) else None
    files = [file for file in (REPORT, LOG) if folder and (folder / file).is_file()]
    report, problems = _read_json(folder / REPORT) if REPORT in files else ({}, [])
    index, more_problems = _read_json(folder / PICTURES) if folder and (folder / PICTURES).is_file() else ({}, [])
    numbers = {column: _number(cell) for column, cell in row.items() if column not in is_text | set(_WORDS)}
    return Case(
        name=name,
        status=row.get("status") or DONE,
        reason=without_folders(row.get("reason", "")),
        figures={column: number for column, number in numbers.items() if number is not None and math.isfinite(number)},
        texts={column: without_folders(row[column]) for column in row if column in is_text - set(_WORDS)},
        warnings=[*map(without_folders, messages_of(report.get("warnings"))), *problems, *more_problems],
        settings=_settings(report),
        seconds=_figures(report.get("seconds_by_step")),
        files=files,
        pictures=_pictures(index),
    )


def _number(cell: str) -> float | None:
    """The number that a cell holds, if it holds one."""
    try:
        return float(cell)
    except ValueError:
        return None


def _read_json(path: Path) -> tuple[dict, list[str]]:
    """An object of a JSON file, and what is wrong with the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError):
        found = None
    return (found, []) if isinstance(found, dict) else ({}, [f"{path.name} cannot be read"])


def _settings(report: dict) -> dict[str, str | float]:
    """Method, weights, version and device, without file names of images."""
    chosen = report.get("settings")
    found = {**(chosen if isinstance(chosen, dict) else {})}
    for key in ("device", "threads", "model", "model_sha256", "version", "torch"):
        found[key] = report.get(key, found.get(key))
    kept = {str(key): value for key, value in found.items() if isinstance(value, (str, int, float))}
    return {key: without_folders(value) if isinstance(value, str) else value for key, value in kept.items()}


def _strings(value: object) -> Iterator[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else iter(())


def _figures(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    return {str(key): float(item) for key, item in value.items() if isinstance(item, (int, float))}


def _pictures(index: dict) -> Pictures | None:
    """The index of ``case_pictures``; None where it is missing or not as it should be."""
    try:
        planes = [(str(plane["where"]), _whole_numbers(plane["box"], 4)) for plane in index["planes"]]
        files = [file for file in _strings(index["files"]) if Path(file).name == file]
        shares = [float(share) for share in index["determinant_shares"]]
        size = _whole_numbers(index["size"], 2)
        pixel_mm = float(index["pixel_mm"])
    except (KeyError, TypeError, ValueError):
        return None
    return Pictures(files, size, pixel_mm, planes, shares) if len(planes) == _PLANES and min(size) > 0 else None


def _whole_numbers(values: Sequence[object], count: int) -> list[int]:
    if len(values) != count:
        raise ValueError
    return [int(value) for value in values]
