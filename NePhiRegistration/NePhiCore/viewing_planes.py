"""Axial, coronal and sagittal planes through the lungs, as a radiologist looks at them.

Planes are cut in the patient's frame, in square pixels, so that voxel spacing, oblique
and left-handed grids all show with true proportions. Radiological convention:
the patient's right is on the left of the picture; anterior and superior are up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .geometry import ImageGeometry, transform_points
from .volume import Volume
from .voxel_reading import is_inside, read_trilinear
from .voxel_views import mask_points_ras_mm

PIXEL_MM = 1.0
_MARGIN_MM = 25.0
_SLICE_MM = 3.0
_LUNG_POINTS = 200_000
_ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of the patient.

    Attributes:
        name: "axial", "coronal" or "sagittal".
        points_ras_mm: (rows, columns, 3) pixel centres, first row at the top of the picture.
        letters: what lies at the left, right, top and bottom of the picture (R, L, A, P, S, I).
        normal_axis: RAS axis 0, 1 or 2 that the plane is perpendicular to.
    """

    name: str
    points_ras_mm: np.ndarray
    letters: tuple[str, str, str, str]
    normal_axis: int

    @property
    def position_mm(self) -> float:
        """RAS coordinate of the plane along its normal."""
        return float(self.points_ras_mm[0, 0, self.normal_axis])

    def pixels(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """(N, 2) fractional (column, row) of points seen along the plane's normal."""
        origin = self.points_ras_mm[0, 0]
        across, down = self.points_ras_mm[0, 1] - origin, self.points_ras_mm[1, 0] - origin
        pixels: np.ndarray = (points_ras_mm - origin) @ np.stack([across, down], -1) / (across @ across)
        return pixels


@dataclass(frozen=True, eq=False)
class RowOfPictures:
    """What is shown of one plane: (rows, columns) float32 pictures, NaN outside an image.

    Attributes:
        plane: the plane.
        fixed, moving, warped: HU; moving at the same place in space, warped after registration.
        determinant: det J.
        lungs: fixed lungs, 0 to 1.
    """

    plane: Plane
    fixed: np.ndarray
    moving: np.ndarray
    warped: np.ndarray
    determinant: np.ndarray
    lungs: np.ndarray


# name, (picture's horizontal RAS axis and sign, vertical axis and sign), normal axis, letters
_VIEWS = (
    ("axial", (0, -1), (1, -1), 2, ("R", "L", "A", "P")),
    ("coronal", (0, -1), (2, -1), 1, ("R", "L", "S", "I")),
    ("sagittal", (1, -1), (2, -1), 0, ("A", "P", "S", "I")),
)


def planes_through(lungs: np.ndarray, geometry: ImageGeometry, pixel_mm: float = PIXEL_MM) -> tuple[Plane, ...]:
    """Axial, coronal and sagittal plane where the lungs (K, J, I) are largest, cut to them and a margin."""
    points_ras_mm = mask_points_ras_mm(lungs, geometry, _LUNG_POINTS)
    corners = geometry.corners_ras_mm()
    low = np.maximum(points_ras_mm.min(0) - _MARGIN_MM, corners.min(0))
    high = np.minimum(points_ras_mm.max(0) + _MARGIN_MM, corners.max(0))
    planes = []
    for name, horizontal, vertical, normal_axis, letters in _VIEWS:
        across, down = (_coordinates(low, high, *axis_and_sign, pixel_mm) for axis_and_sign in (horizontal, vertical))
        pixels = np.empty((len(down), len(across), 3))
        pixels[..., horizontal[0]] = across[None, :]
        pixels[..., vertical[0]] = down[:, None]
        pixels[..., normal_axis] = _most_crowded(points_ras_mm[:, normal_axis])
        planes.append(Plane(name, pixels, letters, normal_axis))
    return tuple(planes)


def read_plane(array: np.ndarray, geometry: ImageGeometry, plane: Plane) -> np.ndarray:
    """(rows, columns) float32 trilinear values of an array (K, J, I) on a plane, NaN outside the image."""
    picture = np.empty(plane.points_ras_mm.shape[:2], np.float32)
    for start in range(0, len(picture), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        points_ijk = transform_points(geometry.ras_to_ijk, plane.points_ras_mm[rows])
        inside = is_inside(geometry.shape_kji, points_ijk)
        picture[rows] = np.where(inside, read_trilinear(array, points_ijk), np.nan)
    return picture


def read_planes(
    fixed: Volume,
    moving: Volume,
    warped: np.ndarray,
    determinant: np.ndarray,
    lungs: np.ndarray,
    pixel_mm: float = PIXEL_MM,
) -> list[RowOfPictures]:
    """What is shown of a registration on the planes through its lungs.

    Args:
        fixed, moving: images, HU.
        warped, determinant, lungs: (K, J, I) on the fixed grid; the lungs not empty.
        pixel_mm: side of a pixel.
    """
    planes = planes_through(lungs, fixed.geometry, pixel_mm)
    pictures = ([read_plane(image, fixed.geometry, plane) for plane in planes] for image in (warped, determinant))
    return rows_of(planes, fixed, moving, lungs, *pictures)


def rows_of(
    planes: Sequence[Plane],
    fixed: Volume,
    moving: Volume,
    lungs: np.ndarray,
    warped: Sequence[np.ndarray],
    determinant: Sequence[np.ndarray],
) -> list[RowOfPictures]:
    """The same of given planes, where what is made of the registration has been read on each of them before."""
    rows = []
    for plane, warped_picture, determinant_picture in zip(planes, warped, determinant):
        fixed_picture, lungs_picture = (read_plane(image, fixed.geometry, plane) for image in (fixed.hu, lungs))
        moving_picture = read_plane(moving.hu, moving.geometry, plane)
        rows.append(
            RowOfPictures(plane, fixed_picture, moving_picture, warped_picture, determinant_picture, lungs_picture)
        )
    return rows


def _coordinates(low: np.ndarray, high: np.ndarray, axis: int, sign: int, pixel_mm: float) -> np.ndarray:
    """Pixel coordinates along a RAS axis, from its high end down where the sign is negative."""
    count = max(2, int((high[axis] - low[axis]) / pixel_mm) + 1)
    steps = np.arange(count) * pixel_mm
    coordinates: np.ndarray = high[axis] - steps if sign < 0 else low[axis] + steps
    return coordinates


def _most_crowded(coordinates: np.ndarray) -> float:
    """Middle of the slice, _SLICE_MM thick, that holds most of the coordinates."""
    slices = np.floor(coordinates / _SLICE_MM).astype(int)
    return float((np.bincount(slices - slices.min()).argmax() + slices.min() + 0.5) * _SLICE_MM)
