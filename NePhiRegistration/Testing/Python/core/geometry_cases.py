"""Voxel grids that every file format must keep: three axis-aligned orders and an oblique left-handed one."""

from math import cos, radians, sin

import numpy as np
import pytest
import SimpleITK as sitk

SIZE_IJK = (11, 10, 9)
SPACING_MM = (0.7, 1.1, 2.5)
ORIGIN_LPS_MM = (-36.25, 120.5, -1204.75)

_a, _b = radians(20), radians(-35)
_TURN_Z = np.array([[cos(_a), -sin(_a), 0], [sin(_a), cos(_a), 0], [0, 0, 1]])
_TURN_X = np.array([[1, 0, 0], [0, cos(_b), -sin(_b)], [0, sin(_b), cos(_b)]])

# The patient's direction in which i, j, k grow, as columns in LPS.
DIRECTIONS_LPS = {
    "RAS": np.diag([-1.0, -1.0, 1.0]),
    "LAS": np.diag([1.0, -1.0, 1.0]),
    "LPS": np.eye(3),
    "oblique left-handed": _TURN_Z @ _TURN_X @ np.diag([1.0, 1.0, -1.0]),
}

every_direction = pytest.mark.parametrize("direction_lps", DIRECTIONS_LPS.values(), ids=list(DIRECTIONS_LPS))


def place(image: sitk.Image, direction_lps: np.ndarray) -> sitk.Image:
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(ORIGIN_LPS_MM)
    image.SetDirection(direction_lps.ravel().tolist())
    return image


def random_hu(seed: int = 0) -> np.ndarray:
    """(K, J, I) int16, every voxel different with near certainty, so that a swapped axis shows."""
    return np.random.default_rng(seed).integers(-1000, 1000, SIZE_IJK[::-1]).astype(np.int16)


def itk_points_ras_mm(image: sitk.Image) -> np.ndarray:
    """(K, J, I, 3) RAS mm of every voxel centre, as ITK itself says."""
    points = np.empty((*image.GetSize()[::-1], 3))
    for k, j, i in np.ndindex(points.shape[:3]):
        left, posterior, superior = image.TransformIndexToPhysicalPoint((i, j, k))
        points[k, j, i] = -left, -posterior, superior
    return points
