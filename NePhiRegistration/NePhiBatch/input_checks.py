"""What can be known of a case's files without reading their voxels, before anything is computed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from NePhiCore.errors import NePhiError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import check_mask_grid, peek_geometry
from NePhiCore.landmarks import check_landmark_pair, read_landmarks
from NePhiCore.paths import check_is_file
from NePhiCore.transform_io import read_initial_transform

from .manifest import BatchCase

# Matrices are read to see whether they are any; a field of displacements is taken on trust until its turn.
_SMALL_BYTES = 1 << 20


def problems_of(case: BatchCase) -> list[str]:
    """Everything that is wrong with the files of a case, a sentence each."""
    problems: list[str] = []

    def tried(check: Callable, *arguments: object) -> object:
        try:
            return check(*arguments)
        except NePhiError as error:
            problems.append(" ".join(str(error).split()))
        except (OSError, ValueError) as error:
            problems.append(f"{arguments[0]} cannot be used ({error}). Check the path.")
        return None

    files = case.files
    grids = {what: tried(_grid, files[what], what) for what in ("fixed", "moving")}
    for what, grid in grids.items():
        if f"{what}_mask" in files:
            tried(_check_mask, files[f"{what}_mask"], grid, f"{what} mask")
    if "fixed_landmarks" in files:
        points = [tried(read_landmarks, files[f"{what}_landmarks"], f"{what} landmarks") for what in grids]
        if all(one is not None for one in points):
            tried(check_landmark_pair, *points)
    if "initial_transform" in files:
        tried(_check_transform, files["initial_transform"])
    return [*problems, *_doubles(case)]


def _grid(path: Path, name: str) -> ImageGeometry | None:
    if not path.is_dir():
        check_is_file(path, name, NePhiError)
    return peek_geometry(path, name)


def _check_mask(path: Path, image: ImageGeometry | None, name: str) -> None:
    grid = _grid(path, name)
    if grid is not None and image is not None:
        check_mask_grid(path, grid, image, name)


def _check_transform(path: Path) -> None:
    check_is_file(path, "initial transform", NePhiError)
    if path.stat().st_size < _SMALL_BYTES:
        read_initial_transform(path)


def _doubles(case: BatchCase) -> Iterator[str]:
    """Two roles that one file plays, which is a slip of the pen."""
    for (one, path), (other, second) in itertools.combinations(case.files.items(), 2):
        if os.path.realpath(path) == os.path.realpath(second):
            yield f"{one} and {other} are the same file, {path}. Name two files."
