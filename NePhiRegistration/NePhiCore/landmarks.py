"""Landmarks from files: CSV (LPS mm unless the columns say otherwise), 3D Slicer's .fcsv and .mrk.json."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np

from .errors import InvalidLandmarksError
from .geometry import ImageGeometry, transform_points
from .itk_bridge import flip_lps_ras
from .paths import read_small_file

# Columns that hold the coordinates -> their frame. Plain x, y, z are ITK's.
_COLUMNS = {
    ("x", "y", "z"): "LPS",
    ("x_mm", "y_mm", "z_mm"): "LPS",
    ("l", "p", "s"): "LPS",
    ("r", "a", "s"): "RAS",
}
_FRAMES = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
# Where .fcsv says whether a point was placed: 2 is yes.
_FCSV_POSITION_STATUS = 14
_FARTHEST_MM = 1e9
_LARGEST_FILE_MIB = 16

# A line number with the cells of that line.
_Row = tuple[int, list[str]]


def read_landmarks(path: Path | str, name: str = "landmarks") -> np.ndarray:
    """Read landmarks.

    Args:
        path: .csv with a header that names x, y, z (or x_mm, y_mm, z_mm; l, p, s; r, a, s), other columns being
            ignored, or with three columns and no header; .fcsv or .mrk.json of 3D Slicer.
        name: what messages call them ("fixed landmarks").

    Returns:
        (N, 3) float64 RAS mm, in the order of the file.

    Raises:
        InvalidLandmarksError: missing, empty or very large file; no coordinates, or some that are no numbers or NaN.
    """
    path = Path(path)
    text = _read_text(path, name)
    try:
        if path.suffix.lower() == ".json":
            points, frame = _points_of_json(text)
        elif path.suffix.lower() == ".fcsv":
            points, frame = _points_of_fcsv(text)
        else:
            points, frame = _points_of_csv(text)
    except InvalidLandmarksError as error:
        raise InvalidLandmarksError(f"{name}: {path}: {error}") from error
    if not points:
        raise InvalidLandmarksError(f"{name}: {path} holds no landmarks. Give at least one.")
    array = np.array(points, np.float64)
    return flip_lps_ras(array) if frame == "LPS" else array


def check_landmark_pair(fixed_ras_mm: np.ndarray, moving_ras_mm: np.ndarray) -> None:
    """Raise InvalidLandmarksError unless there are as many moving as fixed landmarks."""
    if len(fixed_ras_mm) != len(moving_ras_mm):
        raise InvalidLandmarksError(
            f"There are {len(fixed_ras_mm)} fixed and {len(moving_ras_mm)} moving landmarks. "
            "Give the same landmarks in the same order in both files."
        )


def check_landmarks_inside(points_ras_mm: np.ndarray, geometry: ImageGeometry, name: str) -> None:
    """Raise InvalidLandmarksError where most landmarks lie outside their image: voxel numbers, or another frame."""
    voxels = transform_points(geometry.ras_to_ijk, points_ras_mm)
    inside = np.all((voxels > -1) & (voxels < geometry.shape_kji[::-1]), axis=-1)
    if 2 * np.count_nonzero(inside) < len(inside):
        raise InvalidLandmarksError(
            f"{name}: {np.count_nonzero(~inside)} of {len(inside)} lie outside their image. They must be millimetres "
            "of the patient (LPS, or RAS where columns or file say so), not numbers of voxels."
        )


def _read_text(path: Path, name: str) -> str:
    content = read_small_file(path, name, _LARGEST_FILE_MIB, InvalidLandmarksError)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidLandmarksError(f"{name}: {path} is not a text file. Give .csv, .fcsv or .mrk.json.") from error


def _points_of_csv(text: str) -> tuple[list[list[float]], str]:
    rows = _rows(text, _delimiter_of(text))
    if not rows:
        return [], "LPS"
    line, first = rows[0]
    header = [cell.lower() for cell in first]
    for columns, frame in _COLUMNS.items():
        if set(columns) <= set(header):
            return [_point(row, [header.index(column) for column in columns]) for row in rows[1:]], frame
    if any(len(cells) != 3 for _, cells in rows) or not any(_is_number(cell) for cell in first):
        raise InvalidLandmarksError(
            f"no columns x, y, z (mm, LPS) named in line {line}, which reads {', '.join(first)[:200]!r}. "
            "Name them in the first line, or give three columns of numbers and nothing else."
        )
    return [_point(row, [0, 1, 2]) for row in rows], "LPS"


def _points_of_fcsv(text: str) -> tuple[list[list[float]], str]:
    said = re.search(r"^#\s*CoordinateSystem\s*=\s*(\S+)", text, re.MULTILINE)
    frame = _frame_of(said.group(1) if said else "RAS")  # the format's first versions knew RAS only
    rows = _rows(text, ",")
    for line, cells in rows:
        if cells[_FCSV_POSITION_STATUS:][:1] in (["0"], ["1"]):
            raise InvalidLandmarksError(f"line {line}: this point was never placed. Place it or delete it.")
    return [_point(row, [1, 2, 3]) for row in rows], frame


def _points_of_json(text: str) -> tuple[list[list[float]], str]:
    try:
        markups = json.loads(text)["markups"]
        lists = [[point["position"] for point in markup["controlPoints"]] for markup in markups]
        units = [markup.get("coordinateUnits", "mm") for markup in markups]
        frames = [markup.get("coordinateSystem", "LPS") for markup in markups]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidLandmarksError("not a markups file of 3D Slicer. Save the point list as .mrk.json.") from error
    if len(lists) != 1 or units[0] != "mm":
        raise InvalidLandmarksError(
            f"expected one point list in mm, got {len(lists)} in {str(units)[:200]}. Save one list in mm."
        )
    return [_json_point(position, number) for number, position in enumerate(lists[0], start=1)], _frame_of(frames[0])


def _json_point(position: object, number: int) -> list[float]:
    if not isinstance(position, list) or len(position) != 3 or not all(type(n) in (int, float) for n in position):
        raise InvalidLandmarksError(
            f"point {number} has position {repr(position)[:200]}, expected three numbers. Place it again."
        )
    # A comparison, for JSON's whole numbers have no limit and math.isfinite does.
    if not all(abs(n) < _FARTHEST_MM for n in position):
        raise InvalidLandmarksError(f"point {number} is NaN, infinite or absurdly far away. Place it again.")
    return position


def _delimiter_of(text: str) -> str:
    return max(",;\t", key=text.partition("\n")[0].count)


def _rows(text: str, delimiter: str) -> list[_Row]:
    """The lines that hold anything, comments (#) left out, each with its number in the file."""
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InvalidLandmarksError(f"line {reader.line_num} is no line of a table: {error}.") from error
    return [(line, cells) for line, cells in rows if any(cells) and not cells[0].startswith("#")]


def _point(row: _Row, columns: list[int]) -> list[float]:
    line, cells = row
    try:
        point = [float(cells[column]) for column in columns]
    except (ValueError, IndexError) as error:
        raise InvalidLandmarksError(
            f"line {line}: expected numbers in columns {[c + 1 for c in columns]}, got {', '.join(cells)[:200]!r}."
        ) from error
    if not all(map(math.isfinite, point)):
        raise InvalidLandmarksError(f"line {line}: coordinates are NaN or infinite: {point}. Remove this landmark.")
    return point


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _frame_of(said: str) -> str:
    frame = _FRAMES.get(str(said).upper())
    if frame is None:
        raise InvalidLandmarksError(
            f"coordinate system {repr(said)[:200]}, expected LPS or RAS. Save the points in one of them."
        )
    return frame
