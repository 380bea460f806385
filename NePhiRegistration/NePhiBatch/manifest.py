"""Which cases there are: the rows of a manifest, or the files of a folder that fit patterns. Standard library only."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from NePhiCore.errors import NePhiError, SettingsError
from NePhiCore.pair_list import FILE_COLUMNS, read_rows
from NePhiCore.paths import is_safe_name

_CASE = "{case}"
_NEEDED = FILE_COLUMNS[:2]


@dataclass(frozen=True)
class BatchCase:
    """One pair to be registered.

    Attributes:
        name: what it is called in tables and file names.
        files: what each file is, of ``pair_list.FILE_COLUMNS`` -> absolute path; none that is not given.
        inhale: which image shows inhale, "fixed" or "moving"; None where nobody says.
        line: of the manifest; None where files were found in a folder.
    """

    name: str
    files: dict[str, Path]
    inhale: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Problem:
    """What keeps a row or a case from being tried.

    Attributes:
        line: as of a BatchCase.
        case: its name, where it has one of its own.
        text: what is wrong, and what to do.
    """

    line: int | None
    case: str | None
    text: str

    @property
    def place(self) -> str:
        """Where to look: line, case or both."""
        line = f"line {self.line}" if self.line else ""
        case = f"case {self.case}" if self.case else ""
        return ", ".join(filter(None, (line, case)))


@dataclass(frozen=True)
class Manifest:
    """The cases in their order, the rows that are none, and columns that mean nothing here."""

    cases: list[BatchCase]
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_manifest(source: Path, patterns: Mapping[str, str]) -> Manifest:
    """The cases of a manifest, or those found in a folder.

    Args:
        source: a table as ``read_rows`` reads it, or a folder.
        patterns: for a folder, FILE_COLUMNS -> path below it with {case} in the place of the case's name.

    Raises:
        NePhiError: nothing is there, or no table; SettingsError for patterns that cannot be used.
    """
    if not source.exists():
        raise NePhiError(f"{source} does not exist. Give a manifest (CSV) or a folder.")
    if source.is_dir():
        return _found(source, patterns)
    if patterns:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in patterns)
        raise SettingsError(
            f"{options}: patterns are for a folder, and {source} is a file, whose columns name the files."
        )
    table = read_rows(source, needs_names=True)
    cases = [BatchCase(pair.name, _absolute(pair.files), pair.inhale, pair.line) for pair in table.pairs]
    problems = [Problem(row.line, row.name, row.problem) for row in table.bad_rows]
    return Manifest(cases, problems, table.ignored)


def _absolute(files: Mapping[str, Path | None]) -> dict[str, Path]:
    return {what: Path(os.path.abspath(path)) for what, path in files.items() if path is not None}


def _found(folder: Path, patterns: Mapping[str, str]) -> Manifest:
    _check_patterns(folder, patterns)
    found = {what: _matches(folder, pattern) for what, pattern in patterns.items()}
    names = sorted({name for what in _NEEDED for name in found[what]})
    if not names:
        raise NePhiError(f"No file in {folder} fits {patterns['fixed']} or {patterns['moving']}. Check the patterns.")
    cases, problems = [], []
    for name in names:
        files = {what: matches[name] for what, matches in found.items() if name in matches}
        missing = [f"{what} image ({patterns[what].replace(_CASE, name)})" for what in _NEEDED if what not in files]
        one_sided = ("fixed_landmarks" in files) != ("moving_landmarks" in files)
        if not is_safe_name(name):
            problems.append(
                Problem(None, None, f"{name!r} is no name of a case. Take letters, digits and - _ + . alone.")
            )
        elif missing:
            problems.append(Problem(None, name, f"has no {missing[0]}. Add the file, or move the other one away."))
        elif one_sided:
            problems.append(Problem(None, name, "has landmarks of one image only. Add the other file."))
        else:
            cases.append(BatchCase(name, _absolute(files)))
    return Manifest(cases, problems)


def _check_patterns(folder: Path, patterns: Mapping[str, str]) -> None:
    missing = [f"--{what}" for what in _NEEDED if what not in patterns]
    if missing:
        raise SettingsError(
            f"{folder} is a folder: {' and '.join(missing)} must say which files of it to take, "
            f"as in --fixed '{_CASE}/exhale.nii.gz' --moving '{_CASE}/inhale.nii.gz'."
        )
    for what, pattern in patterns.items():
        if _CASE not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise SettingsError(
                f"--{what.replace('_', '-')} {pattern}: expected a path below {folder} with {_CASE} in it."
            )


def _matches(folder: Path, pattern: str) -> dict[str, Path]:
    """Name of the case -> the file or folder that fits; every {case} in a pattern stands for the same name."""
    first, *others = Path(pattern).as_posix().split(_CASE)
    named = re.escape(first) + "(?P<case>[^/.][^/]*)" + "(?P=case)".join(map(re.escape, others))
    found = {}
    for path in sorted(folder.glob("*".join(map(glob.escape, (first, *others))))):
        match = re.fullmatch(named, path.relative_to(folder).as_posix())
        if match:
            found[match["case"]] = path
    return found
