"""What `nephi evaluate` is given: cases of a data set, each of which reads itself when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .dirlab_cases import COPDGENE, FOUR_D_CT, PHASES, DirLabCase, DirLabDataset, find_cases
from .errors import NePhiError, SettingsError
from .pair_list import ListedPair, read_pair_list
from .register_command import read_pair

# As in register_command: torch is not loaded before the arguments are known to be good.
if TYPE_CHECKING:
    from .pair_run import Pair

CSV = "csv"
DEFAULT_FIXED = PHASES[0]
_DIRLAB = {dataset.name: dataset for dataset in (COPDGENE, FOUR_D_CT)}


@dataclass(frozen=True)
class EvaluationCase:
    """One pair to be registered.

    Attributes:
        number: DIR-Lab's number, or the row of a table of pairs.
        name: what it is called in tables and file names.
        read: reads images, masks and landmarks; raises NePhiError where they cannot be used.
    """

    number: int
    name: str
    read: Callable[[], Pair]


@dataclass(frozen=True)
class EvaluationSet:
    """The cases of a data set.

    Attributes:
        dataset: "dirlab-copdgene", "dirlab-4dct" or "csv".
        fixed: "exhale" or "inhale"; None where the table of pairs says it.
        cases: in the order in which they are to be registered.
        inputs: files that no output may replace.
    """

    dataset: str
    fixed: str | None
    cases: list[EvaluationCase]
    inputs: list[Path]


def find_evaluation_set(
    source: Path, dataset: str | None, fixed: str | None, numbers: Sequence[int] | None
) -> EvaluationSet:
    """The cases that are asked for.

    Args:
        source: a folder of DIR-Lab, or a table of pairs.
        dataset: which of them; None finds it out.
        fixed: which image of DIR-Lab's is the fixed one; None is exhale.
        numbers: the cases to take, in this order; None is all of them.

    Raises:
        NePhiError: nothing is found there.
        SettingsError: cases that are not there; a fixed phase for a table, whose columns say it.
    """
    if not source.exists():
        raise NePhiError(f"{source} does not exist. Give a folder of DIR-Lab or a CSV file of pairs.")
    if dataset == CSV or (dataset is None and not source.is_dir()):
        if fixed is not None:
            raise SettingsError("--fixed is for DIR-Lab; in a table of pairs the columns fixed and moving say it.")
        return _listed(source, numbers)
    found = _dirlab_cases(source, dataset)
    fixed = fixed or DEFAULT_FIXED
    cases = [EvaluationCase(case.number, case.name, partial(_read_dirlab, case, fixed)) for case in found]
    inputs = [path for case in found for paths in case.files.values() for path in paths]
    return EvaluationSet(found[0].dataset.name, fixed, _chosen(cases, numbers), inputs)


def _listed(source: Path, numbers: Sequence[int] | None) -> EvaluationSet:
    pairs = read_pair_list(source)
    cases = [EvaluationCase(pair.number, pair.name, partial(_read_listed, pair)) for pair in pairs]
    files = [path for pair in pairs for path in pair.files.values() if path is not None]
    return EvaluationSet(CSV, None, _chosen(cases, numbers), [source, *files])


def _dirlab_cases(folder: Path, dataset: str | None) -> list[DirLabCase]:
    if not folder.is_dir():
        raise NePhiError(f"{folder} is no folder. Give the one that holds the unpacked cases of DIR-Lab.")
    asked: list[DirLabDataset] = list(_DIRLAB.values()) if dataset is None else [_DIRLAB[dataset]]
    found = [cases for one in asked if (cases := find_cases(folder, one))]
    if len(found) > 1:
        raise NePhiError(f"{folder} holds cases of both {' and '.join(_DIRLAB)}. Choose one with --dataset.")
    if not found:
        names = " or ".join(f"{one.name} (such files as {one.examples['image']})" for one in asked)
        raise NePhiError(f"{folder} holds no cases of {names}. Unpack the downloads there, or give a CSV of pairs.")
    return found[0]


def _chosen(cases: list[EvaluationCase], numbers: Sequence[int] | None) -> list[EvaluationCase]:
    by_number = {case.number: case for case in cases}
    missing = [str(number) for number in numbers or () if number not in by_number]
    if missing:
        there = ", ".join(map(str, by_number))
        raise SettingsError(f"--cases: there is no case {', '.join(missing)}. There are {there}.")
    return cases if numbers is None else [by_number[number] for number in numbers]


def _read_dirlab(case: DirLabCase, fixed: str) -> Pair:
    from .dirlab_files import read_scan
    from .landmarks import check_landmark_pair
    from .pair_run import Pair

    (moving,) = set(PHASES) - {fixed}
    scans = [read_scan(case, phase) for phase in (fixed, moving)]
    (fixed_scan, fixed_landmarks), (moving_scan, moving_landmarks) = scans
    check_landmark_pair(fixed_landmarks, moving_landmarks)
    return Pair(
        fixed_scan,
        moving_scan,
        {"fixed": case.files[fixed, "image"][0].name, "moving": case.files[moving, "image"][0].name},
        fixed_landmarks_ras_mm=fixed_landmarks,
        moving_landmarks_ras_mm=moving_landmarks,
    )


def _read_listed(pair: ListedPair) -> Pair:
    return read_pair(pair.files)
