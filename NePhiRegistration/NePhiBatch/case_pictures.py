"""The pictures of a case that the report shows: planes of both images, det J, folds and lungs, as small files.

Each kind of picture is one file with the axial, coronal and sagittal plane side by side. What lies
over an image is a layer of its own, transparent elsewhere, so that the page can show it or not. ``pictures.json`` says
where each plane is, and how det J is distributed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NePhiCore.errors import OutputError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.itk_bridge import quiet_itk
from NePhiCore.output_files import StagedOutputs
from NePhiCore.output_paths import made_folder
from NePhiCore.viewing_planes import Plane, RowOfPictures, read_planes
from NePhiCore.volume import Volume
from NePhiCore.voxel_reading import is_inside, read_nearest
from NePhiCore.voxel_views import box_of, mask_points_ras_mm, thinned_view

from .picture_colours import classes_rgba, determinant_rgba, grey_of, outline_rgba, rgb
from .picture_scales import FOLD_COLOUR, FOLD_ELSEWHERE_COLOUR, LOG2_LIMIT, LOG2_STEP, LUNG_COLOUR, OUTSIDE_GREY

PIXEL_MM = 0.75
FOLDER, INDEX = "pictures", "pictures.json"
_JPEG_QUALITY, _PNG_LEVEL = 82, 9
_BLOCK = 16  # a multiple of JPEG's blocks, so that no plane shines into the next
_FOLDS_DRAWN = 20_000
_FOLD_SLICE_MM = 3.0
_HISTOGRAM_SPACING_MM = 1.5


@dataclass(frozen=True)
class _Cell:
    """Where a plane lies in every picture: pixels from the upper left corner."""

    x: int
    width: int
    height: int


def write_case_pictures(
    case_folder: Path,
    fixed: Volume,
    moving: Volume,
    warped: np.ndarray,
    determinant: np.ndarray,
    lungs: np.ndarray,
    folds: np.ndarray | None = None,
    parametric_response: np.ndarray | None = None,
) -> None:
    """Write the folder ``pictures`` of a case, all of its files or none.

    Args:
        case_folder: must exist.
        fixed, moving: images, HU.
        warped: (K, J, I) moving image on the fixed grid, HU.
        determinant: (K, J, I) det J on the fixed grid.
        lungs: (K, J, I) bool, fixed lungs, not empty.
        folds: (K, J, I) bool on the fixed grid; None where there are none.
        parametric_response: (K, J, I) uint8 labels on the fixed grid, see ``lung_function_names.PRM_CLASSES``.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = read_planes(fixed, moving, warped, determinant, lungs, PIXEL_MM)
    cells = _side_by_side([row.fixed.shape for row in rows])
    inside = [row.lungs > 0.5 for row in rows]
    layers = [determinant_rgba(row.determinant, mask) for row, mask in zip(rows, inside)]
    if folds is not None:
        points_ras_mm = mask_points_ras_mm(folds & lungs, fixed.geometry, _FOLDS_DRAWN)
        for layer, row in zip(layers, rows):
            _mark_folds(layer, row.plane, points_ras_mm)
    pictures = {
        **{f"{name}.jpg": [grey_of(getattr(row, name)) for row in rows] for name in ("fixed", "moving", "warped")},
        "determinant.png": layers,
        "lungs.png": [outline_rgba(mask, LUNG_COLOUR) for mask in inside],
    }
    if parametric_response is not None:
        labels = [_nearest(parametric_response, fixed.geometry, row.plane) for row in rows]
        pictures["parametric_response.png"] = [classes_rgba(part) for part in labels]
    histogram = determinant_histogram(determinant, lungs, fixed.geometry)
    index = {"files": list(pictures), **_index(rows, cells), "determinant_shares": histogram}
    with made_folder(case_folder / FOLDER) as folder, StagedOutputs() as outputs:
        for name, parts in pictures.items():
            _write_picture(outputs.stage(folder / name), _joined(parts, cells))
        outputs.stage(folder / INDEX).write_text(json.dumps(index, separators=(",", ":")), encoding="utf-8")


def determinant_histogram(determinant: np.ndarray, lungs: np.ndarray, geometry: ImageGeometry) -> list[float]:
    """Shares of the lungs with det J below a quarter, in each eighth of log2 from there to 4, and above 4.

    Args:
        determinant, lungs: (K, J, I), the lungs not empty.
        geometry: their grid; of fine ones not every voxel is counted.
    """
    view = thinned_view(geometry, _HISTOGRAM_SPACING_MM, box_of(lungs))
    chosen = lungs[view] if lungs[view].any() else lungs
    values = determinant[view][chosen] if chosen is not lungs else determinant[lungs]
    edges = np.exp2(np.arange(-LOG2_LIMIT, LOG2_LIMIT + LOG2_STEP / 2, LOG2_STEP))
    counts = np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1)
    return [round(float(share), 5) for share in counts / counts.sum()]


def _nearest(labels: np.ndarray, geometry: ImageGeometry, plane: Plane) -> np.ndarray:
    """(rows, columns) labels of the nearest voxels, 0 outside the image."""
    points_ijk = transform_points(geometry.ras_to_ijk, plane.points_ras_mm)
    return np.where(is_inside(geometry.shape_kji, points_ijk), read_nearest(labels, points_ijk), 0)


def _side_by_side(shapes: list[tuple[int, int]]) -> list[_Cell]:
    cells, x = [], 0
    for height, width in shapes:
        cells.append(_Cell(x, width, height))
        x += -(-(width + 1) // _BLOCK) * _BLOCK
    return cells


def _joined(parts: list[np.ndarray], cells: list[_Cell]) -> np.ndarray:
    """Planes (rows, columns) or (rows, columns, 4) in one picture; nothing, or the grey of nothing, around them."""
    height, width = max(cell.height for cell in cells), cells[-1].x + cells[-1].width
    whole = np.full((height, width, *parts[0].shape[2:]), OUTSIDE_GREY if parts[0].ndim == 2 else 0, np.uint8)
    for part, cell in zip(parts, cells):
        whole[: cell.height, cell.x : cell.x + cell.width] = part
    return whole


def _mark_folds(layer: np.ndarray, plane: Plane, points_ras_mm: np.ndarray) -> None:
    """Squares of three pixels at folds in this plane, single pixels at those in front of and behind it."""
    is_here = np.abs(points_ras_mm[:, plane.normal_axis] - plane.position_mm) <= _FOLD_SLICE_MM
    for chosen, colour, reach in ((~is_here, FOLD_ELSEWHERE_COLOUR, 0), (is_here, FOLD_COLOUR, 1)):
        column, row = np.rint(plane.pixels(points_ras_mm[chosen])).astype(int).T
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                rows, columns = row + down, column + across
                seen = (rows >= 0) & (columns >= 0) & (rows < layer.shape[0]) & (columns < layer.shape[1])
                layer[rows[seen], columns[seen]] = (*rgb(colour), 255)


def _index(rows: list[RowOfPictures], cells: list[_Cell]) -> dict[str, object]:
    size = cells[-1].x + cells[-1].width, max(cell.height for cell in cells)
    planes = [
        {
            "name": row.plane.name,
            "where": _where(row.plane),
            "letters": "".join(row.plane.letters),
            "box": [cell.x, 0, cell.width, cell.height],
        }
        for row, cell in zip(rows, cells)
    ]
    return {"size": size, "pixel_mm": PIXEL_MM, "planes": planes}


def _where(plane: Plane) -> str:
    """Such as "S 145 mm": superior of the origin."""
    side = ("RL", "AP", "SI")[plane.normal_axis][plane.position_mm < 0]
    return f"{side} {abs(plane.position_mm):.0f} mm"


def _write_picture(path: Path, picture: np.ndarray) -> None:
    is_grey = picture.ndim == 2
    image = sitk.GetImageFromArray(picture, isVector=not is_grey)
    try:
        with quiet_itk():
            sitk.WriteImage(image, str(path), True, _JPEG_QUALITY if is_grey else _PNG_LEVEL)
    except RuntimeError as error:
        raise OutputError(f"{path} cannot be written. Is the disk full, or the folder read-only?") from error
