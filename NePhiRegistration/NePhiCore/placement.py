"""Where the cubes of the two images lie, and what is known of the motion before anything is searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .errors import InvalidTransformError, InvalidVolumeError
from .geometry import ImageGeometry, transform_points
from .preprocessing import place_cube
from .sampling import cube_grid
from .transform_io import InitialTransform
from .volume import Volume

KNOWN_SIZE = 20  # samples a side of the field that holds an initial transform
_FIT_POINTS = 4000


@dataclass(frozen=True, eq=False)
class Placement:
    """Cubes around the lungs of both images.

    Attributes:
        fixed_norm_to_ras, moving_norm_to_ras: (4, 4).
        known: (1, 3, n, n, n) displacement over the fixed cube, cube units, that an initial
            transform adds to the placement; None where there is none.
    """

    fixed_norm_to_ras: np.ndarray
    moving_norm_to_ras: np.ndarray
    known: torch.Tensor | None = None


def place_pair(
    fixed: Volume, moving: Volume, fixed_lungs: np.ndarray, moving_lungs: np.ndarray, initial: InitialTransform | None
) -> Placement:
    """Lung box on lung box; or, with an initial transform, its best affine fit over the lungs and the rest of it.

    Raises:
        InvalidVolumeError: the images do not overlap in space, and no initial transform says how they belong together.
        InvalidTransformError: the initial transform mirrors or flattens the lungs, or carries them out of the moving
            image.
    """
    fixed_cube = place_cube(fixed_lungs, fixed.geometry)
    if initial is None:
        _check_overlap(fixed.geometry, moving.geometry)
        return Placement(fixed_cube, place_cube(moving_lungs, moving.geometry))
    affine = _affine_fit(initial, fixed_lungs, fixed.geometry)
    moving_cube = affine @ fixed_cube
    _check_arrival(moving_cube, moving.geometry)
    return Placement(fixed_cube, moving_cube, _rest_of(initial, fixed_cube, moving_cube))


def _check_overlap(fixed: ImageGeometry, moving: ImageGeometry) -> None:
    boxes = fixed.corners_ras_mm(), moving.corners_ras_mm()
    if not _overlap(*boxes):
        raise InvalidVolumeError(
            f"The images do not overlap in space: fixed covers {_span(boxes[0])}, moving {_span(boxes[1])} (R, A, S). "
            "Check the origins in their headers, or say how they belong together with --initial-transform."
        )


def _check_arrival(moving_cube: np.ndarray, moving: ImageGeometry) -> None:
    corners_norm = cube_grid((2, 2, 2)).reshape(-1, 3).double().numpy()
    boxes = transform_points(moving_cube, corners_norm), moving.corners_ras_mm()
    if not _overlap(*boxes):
        raise InvalidTransformError(
            f"The initial transform carries the fixed lungs to {_span(boxes[0])}, outside the moving image, "
            f"which covers {_span(boxes[1])} (R, A, S). It must map fixed points to moving points, LPS mm; "
            "is it the inverse?"
        )


def _overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the boxes around two sets of points (N, 3) share some volume."""
    return bool((np.minimum(first.max(0), second.max(0)) > np.maximum(first.min(0), second.min(0))).all())


def _span(box: np.ndarray) -> str:
    return " x ".join(f"[{a:.0f}, {b:.0f}]" for a, b in zip(box.min(0), box.max(0))) + " mm"


def _affine_fit(initial: InitialTransform, lungs: np.ndarray, geometry: ImageGeometry) -> np.ndarray:
    """(4, 4) RAS mm to RAS mm, least squares over points of the fixed lungs."""
    if initial.matrix_ras is not None:
        matrix = initial.matrix_ras
    else:
        voxels = np.argwhere(lungs)
        chosen = voxels[:: max(1, len(voxels) // _FIT_POINTS), ::-1].astype(float)
        points = transform_points(geometry.ijk_to_ras, chosen)
        mapped = initial.map_points_ras_mm(points)
        solution = np.linalg.lstsq(np.c_[points, np.ones(len(points))], mapped, rcond=None)[0]
        matrix = np.eye(4)
        matrix[:3] = solution.T
    determinant = np.linalg.det(matrix[:3, :3])
    if not 0.05 < determinant < 20:
        raise InvalidTransformError(
            f"The initial transform changes the volume of the lungs by a factor of {determinant:.3g}; between 0.05 and "
            "20 is possible. It must map fixed points to moving points, LPS mm, without mirroring."
        )
    return matrix


def _rest_of(initial: InitialTransform, fixed_cube: np.ndarray, moving_cube: np.ndarray) -> torch.Tensor | None:
    """What the initial transform adds to its affine fit, over the fixed cube, cube units."""
    if initial.matrix_ras is not None:
        return None
    grid = cube_grid((KNOWN_SIZE,) * 3).reshape(-1, 3).double().numpy()
    mapped = initial.map_points_ras_mm(transform_points(fixed_cube, grid))
    rest = transform_points(np.linalg.inv(moving_cube), mapped) - grid
    return torch.tensor(rest.T.reshape(1, 3, *(KNOWN_SIZE,) * 3), dtype=torch.float32)
