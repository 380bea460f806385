"""Where the voxels of an image lie in the patient: ImageGeometry.

Frames: ``ijk`` is the voxel index (column, row, slice), arrays are stored as
(K, J, I); ``ras`` is millimetres in the patient (right, anterior, superior).
LPS, ITK's frame, appears only in ``itk_bridge``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .errors import InvalidVolumeError


@dataclass(frozen=True, eq=False)
class ImageGeometry:
    """Shape and placement of a voxel grid.

    Attributes:
        shape_kji: number of voxels (K, J, I).
        ijk_to_ras: (4, 4) float64, voxel index (i, j, k, 1) to RAS mm.
    """

    shape_kji: tuple[int, int, int]
    ijk_to_ras: np.ndarray

    def __post_init__(self) -> None:
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        shape = tuple(int(n) for n in self.shape_kji)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise InvalidVolumeError(f"The voxel-to-patient matrix must be 4 x 4 and finite, got {matrix.tolist()}.")
        if len(shape) != 3 or min(shape) < 1:
            raise InvalidVolumeError(f"An image must have three dimensions of at least one voxel, got shape {shape}.")
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if spacing.min() <= 0 or abs(np.linalg.det(matrix[:3, :3] / np.maximum(spacing, 1e-300))) < 1e-3:
            raise InvalidVolumeError(
                f"Voxel spacing must be positive and axes independent, got spacing {spacing.tolist()} mm. "
                "Correct the image header (spacing and direction)."
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "ijk_to_ras", matrix)
        object.__setattr__(self, "shape_kji", shape)

    @classmethod
    def from_spacing(
        cls,
        shape_kji: tuple[int, int, int],
        spacing_mm: Sequence[float] | np.ndarray,
        origin_ras_mm: ArrayLike = (0.0, 0.0, 0.0),
        direction: ArrayLike | None = None,
    ) -> ImageGeometry:
        """Grid from spacing (i, j, k) mm, RAS origin of voxel (0, 0, 0) and a 3 x 3 matrix of axis columns in RAS.

        Raises:
            InvalidVolumeError: spacing that is not positive (it would mirror the image), axes that are not independent.
        """
        if not np.all(np.asarray(spacing_mm, float) > 0):
            raise InvalidVolumeError(
                f"Voxel spacing must be positive, got {spacing_mm} mm. Correct the image header (spacing)."
            )
        matrix = np.eye(4)
        matrix[:3, :3] = (np.eye(3) if direction is None else np.asarray(direction, float)) * np.asarray(
            spacing_mm, float
        )
        matrix[:3, 3] = origin_ras_mm
        return cls(shape_kji, matrix)

    @cached_property
    def ras_to_ijk(self) -> np.ndarray:
        return np.linalg.inv(self.ijk_to_ras)

    @cached_property
    def spacing_mm(self) -> np.ndarray:
        """(3,) distance between voxel centres along i, j, k."""
        lengths: np.ndarray = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return lengths

    @cached_property
    def direction(self) -> np.ndarray:
        """(3, 3) unit axis vectors of i, j, k as columns, in RAS."""
        axes: np.ndarray = self.ijk_to_ras[:3, :3] / self.spacing_mm
        return axes

    @property
    def origin_ras_mm(self) -> np.ndarray:
        return self.ijk_to_ras[:3, 3]

    @property
    def voxel_volume_mm3(self) -> float:
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    @property
    def is_left_handed(self) -> bool:
        return bool(np.linalg.det(self.ijk_to_ras[:3, :3]) < 0)

    @property
    def voxel_count(self) -> int:
        return int(np.prod(self.shape_kji, dtype=np.int64))

    def corners_ras_mm(self) -> np.ndarray:
        """(8, 3) RAS mm of the centres of the eight corner voxels."""
        last_ijk = np.array(self.shape_kji[::-1], float) - 1
        corners_ijk = np.stack(np.meshgrid(*([0.0, n] for n in last_ijk), indexing="ij"), -1).reshape(-1, 3)
        return transform_points(self.ijk_to_ras, corners_ijk)

    def points_ras_mm(self) -> np.ndarray:
        """(K, J, I, 3) float64 RAS mm of every voxel centre. Large: for tests and small grids."""
        k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in self.shape_kji), indexing="ij")
        return transform_points(self.ijk_to_ras, np.stack([i, j, k], -1))

    def is_same_grid(self, other: ImageGeometry, tolerance_mm: float = 1e-3) -> bool:
        """Same shape, and corner voxels no further apart than the tolerance."""
        return self.shape_kji == other.shape_kji and bool(
            np.abs(self.corners_ras_mm() - other.corners_ras_mm()).max() <= tolerance_mm
        )

    def with_spacing(self, spacing_mm: float) -> ImageGeometry:
        """A grid with the same axes and first voxel that covers the same field of view.

        The spacing asked for is an upper bound along each axis, so that the last
        voxel centre of the new grid lies exactly on the last one of the old. An axis of one
        voxel stays as it is.
        """
        old_steps = np.array(self.shape_kji[::-1]) - 1
        extent_mm = old_steps * self.spacing_mm
        steps = np.maximum(np.ceil(extent_mm / spacing_mm - 1e-9), old_steps > 0).astype(int)
        new_spacing = np.where(steps > 0, extent_mm / np.maximum(steps, 1), self.spacing_mm)
        return ImageGeometry.from_spacing((steps + 1)[::-1], new_spacing, self.origin_ras_mm, self.direction)


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a (4, 4) affine matrix to points (..., 3); same frame rules as the matrix."""
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
