"""DIR-Lab's files: headerless images and voxel indices of landmarks, to HU and RAS mm.

* Images: 16-bit integers, little-endian, i (column) fastest, then j (row), then k (slice).
* Landmarks: a line each, the voxel's indices i, j, k, counted from 1. i counts to the left, j to the back, k from the
  top down, so that position = (index - 1) * spacing along left, back and down.
* Values are HU + 1024. What the scanner did not see is padded with lower ones (-2000 in COPDGene), which become
  -1024 HU here, as air.

The files say none of this. Public programs that read them agree on it: Project-MONAI/physiotwin4d for 4DCT (direction
1 0 0 0 1 0 0 0 -1 in LPS, 1024 subtracted), uncbiag/shapmagn for the slices of COPDGene (they count against those of
the original scans in LPS), and others for its values.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from .dirlab_cases import CaseSize, DirLabCase
from .errors import InvalidLandmarksError, InvalidVolumeError, NePhiError
from .geometry import ImageGeometry, transform_points
from .paths import check_is_file, read_small_file
from .volume import Volume, check_volume

_OFFSET_HU = 1024
# With the offset these are HU below air: no part of a patient, and not the padding. Without it they are lungs and fat.
_BELOW_AIR = (-1000, -100)
_MOST_BELOW_AIR = 0.01  # share of the voxels
_DIRECTION = np.diag([-1.0, -1.0, -1.0])  # i to the left, j to the back, k down, in RAS
_LARGEST_TEXT_MIB = 1


def read_scan(case: DirLabCase, phase: str) -> tuple[Volume, np.ndarray]:
    """One scan of a case with its landmarks.

    Args:
        case: of ``find_cases``.
        phase: "exhale" or "inhale".

    Returns:
        Volume, int16 HU, and landmarks (N, 3) RAS mm. Voxel (0, 0, 0), the right, anterior, superior one, lies at
        the origin of RAS.

    Raises:
        InvalidVolumeError: no published size; an image that is missing, there twice, or of another size.
        InvalidLandmarksError: landmarks that are missing, there twice, or no voxels of the image.
    """
    size = case.dataset.sizes.get(case.number)
    if size is None:
        known = ", ".join(map(str, case.dataset.sizes))
        raise InvalidVolumeError(f"There is no case {case.name} in {case.dataset.name}, only {known}. Check the names.")
    geometry = geometry_of_size(size)
    landmarks_path = _one(case, phase, "landmarks", InvalidLandmarksError)
    image_path = _one(case, phase, "image", InvalidVolumeError)
    landmarks_ras_mm = read_voxel_landmarks(landmarks_path, geometry)
    volume = Volume(read_headerless(image_path, size), geometry, f"{case.name} {phase}")
    check_volume(volume)
    return volume, landmarks_ras_mm


def geometry_of_size(size: CaseSize) -> ImageGeometry:
    return ImageGeometry.from_spacing(size.voxels_ijk[::-1], size.spacing_mm, direction=_DIRECTION)


def read_headerless(path: Path, size: CaseSize) -> np.ndarray:
    """(K, J, I) int16 HU.

    Raises:
        InvalidVolumeError: the file is missing, has not the bytes of that size, or holds HU without the offset.
    """
    check_is_file(path, path.name, InvalidVolumeError)
    expected, got = 2 * math.prod(size.voxels_ijk), path.stat().st_size
    if got != expected:
        shape = " x ".join(map(str, size.voxels_ijk))
        raise InvalidVolumeError(
            f"{path.name} has {got} bytes; {shape} voxels of two bytes, the published size, are {expected}. "
            "Unpack the download again, and check that the file bears its own case's name."
        )
    try:
        stored = np.fromfile(path, "<i2")
    except OSError as error:
        raise InvalidVolumeError(f"{path.name} cannot be read ({error.strerror}). Copy it again.") from error
    lowest, highest = _BELOW_AIR
    if np.count_nonzero((stored > lowest) & (stored < highest)) > _MOST_BELOW_AIR * stored.size:
        raise InvalidVolumeError(
            f"{path.name} holds HU, DIR-Lab stores HU + {_OFFSET_HU}: it was converted. Unpack the download again."
        )
    hu: np.ndarray = np.maximum(stored, 0) - np.int16(_OFFSET_HU)
    return hu.reshape(size.voxels_ijk[::-1])


def read_voxel_landmarks(path: Path, geometry: ImageGeometry) -> np.ndarray:
    """(N, 3) RAS mm from lines of three voxel indices that count from 1.

    The two lines that transformix asks for ("index" and the number of points) may stand above them.

    Raises:
        InvalidLandmarksError: the file is missing, empty or no such table; a voxel outside the image.
    """
    lines = enumerate(_text(path).splitlines(), start=1)
    rows = _without_header([(number, line.split()) for number, line in lines if line.strip()], path)
    if not rows:
        raise InvalidLandmarksError(f"{path.name} holds no landmarks. Unpack the download again.")
    indices = np.array([_index(cells, f"{path.name}, line {line}") for line, cells in rows])
    voxels_ijk = np.array(geometry.shape_kji[::-1])
    outside = np.flatnonzero(((indices < 1) | (indices > voxels_ijk)).any(axis=1))
    if len(outside):
        line, cells = rows[outside[0]]
        raise InvalidLandmarksError(
            f"{path.name}, line {line}: voxel {', '.join(cells)} is not in an image of "
            f"{' x '.join(map(str, voxels_ijk))} voxels counted from 1. Is the file of another case?"
        )
    return transform_points(geometry.ijk_to_ras, indices - 1)


def _one(case: DirLabCase, phase: str, kind: str, error: type[NePhiError]) -> Path:
    found = case.files.get((phase, kind), [])
    if not found:
        example = case.dataset.examples[kind]
        raise error(f"There is no file of the {phase} {kind} of {case.name}; case 1 has {example}. Unpack it too.")
    if len(found) > 1:
        raise error(f"{len(found)} files are the {phase} {kind} of {case.name}: {found[0]}, {found[1]}. Keep one.")
    return found[0]


def _text(path: Path) -> str:
    content = read_small_file(path, "landmarks", _LARGEST_TEXT_MIB, InvalidLandmarksError)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidLandmarksError(f"{path.name} is no text file. Unpack the download again.") from error


def _without_header(rows: list[tuple[int, list[str]]], path: Path) -> list[tuple[int, list[str]]]:
    if len(rows) < 2 or rows[0][1] != ["index"]:
        return rows
    said, points = rows[1][1], rows[2:]
    if said != [str(len(points))]:
        raise InvalidLandmarksError(f"{path.name} announces {' '.join(said)} points and has {len(points)}. Correct it.")
    return points


def _index(cells: list[str], where: str) -> list[float]:
    try:
        index = [float(cell) for cell in cells]
    except ValueError:
        index = []
    if len(index) != 3 or not all(map(math.isfinite, index)):
        raise InvalidLandmarksError(f"{where}: expected three voxel indices, got {' '.join(cells)[:100]!r}.")
    return index
