"""A dense map of the patient: where each point of one image lies in the other.

A displacement field u maps a point p to p + u(p), all in RAS mm. Between voxels u
is trilinear; outside its grid the edge value is repeated, as VTK (and with it 3D
Slicer) does. ITK would leave a point outside the grid where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .blocks_at_once import made_of_blocks
from .errors import InvalidTransformError, InvalidVolumeError
from .geometry import ImageGeometry, transform_points
from .volume import Volume
from .voxel_reading import Block, block_points, is_inside, read_block, read_nearest, read_trilinear

AIR_HU = -1000.0
_POINTS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Displacements on a voxel grid.

    Attributes:
        displacement_ras_mm: (K, J, I, 3) float32, mm along right, anterior, superior.
        geometry: placement of the voxels, RAS mm.

    Raises:
        InvalidTransformError: another shape, or values that are NaN or infinite.
    """

    displacement_ras_mm: np.ndarray
    geometry: ImageGeometry

    def __post_init__(self) -> None:
        expected = (*self.geometry.shape_kji, 3)
        got = np.shape(self.displacement_ras_mm)
        if got != expected:
            raise InvalidTransformError(f"A displacement field on this grid has shape {expected}, got {got}.")
        displacement = np.ascontiguousarray(self.displacement_ras_mm, dtype=np.float32)
        bad = displacement.size - int(np.count_nonzero(np.isfinite(displacement)))
        if bad:
            raise InvalidTransformError(
                f"{bad} of {displacement.size} displacement components are NaN or infinite. "
                "Write the transform again; it cannot be used as it is."
            )
        object.__setattr__(self, "displacement_ras_mm", displacement)


def identity_field() -> DisplacementField:
    """The field that moves nothing anywhere: one voxel of zeros, whose value is repeated beyond it."""
    return DisplacementField(np.zeros((1, 1, 1, 3), np.float32), ImageGeometry((1, 1, 1), np.eye(4)))


def sample(field: DisplacementField, points_ras_mm: np.ndarray) -> np.ndarray:
    """Trilinear displacement at points; outside the grid the edge value is repeated (VTK's way, not ITK's).

    Args:
        field: the displacement field.
        points_ras_mm: (N, 3) RAS mm.

    Returns:
        (N, 3) float32 mm.
    """
    points_ijk = transform_points(field.geometry.ras_to_ijk, np.asarray(points_ras_mm, np.float64))
    displacement = np.empty(points_ijk.shape, np.float32)
    for start in range(0, len(points_ijk), _POINTS_AT_ONCE):
        some = slice(start, start + _POINTS_AT_ONCE)
        displacement[some] = read_trilinear(field.displacement_ras_mm, points_ijk[some])
    return displacement


def map_points(field: DisplacementField, points_ras_mm: np.ndarray) -> np.ndarray:
    """(N, 3) RAS mm -> p + u(p), (N, 3) float64 RAS mm."""
    mapped: np.ndarray = np.asarray(points_ras_mm, np.float64) + sample(field, points_ras_mm)
    return mapped


def displacement_in_block(field: DisplacementField, geometry: ImageGeometry, block: Block) -> np.ndarray:
    """(k, j, i, 3) float32 mm: the field at the voxel centres of a block of another (or its own) grid."""
    if field.geometry.is_same_grid(geometry):
        return field.displacement_ras_mm[block]
    return read_block(field.displacement_ras_mm, field.geometry.ras_to_ijk @ geometry.ijk_to_ras, block)


def sample_on(field: DisplacementField, geometry: ImageGeometry) -> DisplacementField:
    """The same field on another grid."""
    shape = *geometry.shape_kji, 3
    displacement = made_of_blocks(shape, np.float32, lambda block: displacement_in_block(field, geometry, block))
    return DisplacementField(displacement, geometry)


def compose(outer: DisplacementField, inner: DisplacementField) -> DisplacementField:
    """The field of p -> outer(inner(p)), on the grid of ``inner``; outside its own grid ``outer`` repeats its edge."""
    geometry = inner.geometry
    to_outer_ijk = outer.geometry.ras_to_ijk @ geometry.ijk_to_ras

    def composed(block: Block) -> np.ndarray:
        first = inner.displacement_ras_mm[block]
        then_ijk = _mapped_ijk(block_points(to_outer_ijk, block), first, outer.geometry)
        both: np.ndarray = first + read_trilinear(outer.displacement_ras_mm, then_ijk)
        return both

    return DisplacementField(made_of_blocks((*geometry.shape_kji, 3), np.float32, composed), geometry)


def inverse_consistency_mm(
    forward: DisplacementField, backward: DisplacementField, points_ras_mm: np.ndarray
) -> np.ndarray:
    """|backward(forward(p)) - p| at points (N, 3) RAS mm -> (N,) float64 mm; 0 where they are exact inverses."""
    returned = map_points(backward, map_points(forward, points_ras_mm))
    error_mm: np.ndarray = np.linalg.norm(returned - points_ras_mm, axis=-1)
    return error_mm


def warp_volume(
    moving: Volume, field: DisplacementField, geometry: ImageGeometry, fill: float | None = None
) -> np.ndarray:
    """The moving image seen on the fixed grid: value at p is moving(p + u(p)), trilinear.

    Args:
        moving: image to warp.
        field: fixed-to-moving displacement field, on any grid.
        geometry: the fixed grid.
        fill: value outside the moving image; None is air, -1000 HU, or the image's minimum where that is higher.

    Returns:
        (K, J, I) on the fixed grid: int16 (rounded) where the moving voxels and ``fill`` are whole, else float32.
    """
    fill = max(AIR_HU, float(moving.hu.min())) if fill is None else fill
    is_whole = np.issubdtype(moving.hu.dtype, np.integer) and float(fill).is_integer()
    limits = np.iinfo(np.int16)

    def warped(block: Block) -> np.ndarray:
        moving_ijk = moving_ijk_in_block(field, geometry, block, moving.geometry)
        values = read_trilinear(moving.hu, moving_ijk)
        values[~is_inside(moving.geometry.shape_kji, moving_ijk)] = fill
        return np.rint(values).clip(limits.min, limits.max) if is_whole else values

    return made_of_blocks(geometry.shape_kji, np.int16 if is_whole else np.float32, warped)


def warp_mask(
    moving_mask: np.ndarray, moving_geometry: ImageGeometry, field: DisplacementField, geometry: ImageGeometry
) -> np.ndarray:
    """The moving mask (K, J, I) seen on the fixed grid: (K, J, I) bool, nearest voxel, False outside the moving grid.

    Raises:
        InvalidVolumeError: the mask has another shape than its geometry.
    """
    if moving_mask.shape != moving_geometry.shape_kji:
        raise InvalidVolumeError(
            f"The moving mask has shape {moving_mask.shape}, its image {moving_geometry.shape_kji}; "
            "they must be on the same grid."
        )

    def warped(block: Block) -> np.ndarray:
        moving_ijk = moving_ijk_in_block(field, geometry, block, moving_geometry)
        inside = is_inside(moving_geometry.shape_kji, moving_ijk)
        marked: np.ndarray = inside & (read_nearest(moving_mask, moving_ijk) > 0)
        return marked

    return made_of_blocks(geometry.shape_kji, bool, warped)


def moving_ijk_in_block(
    field: DisplacementField, geometry: ImageGeometry, block: Block, moving_geometry: ImageGeometry
) -> np.ndarray:
    """Voxel indices (k, j, i, 3) of the moving image that the voxels of a block of the fixed grid map to."""
    unmoved_ijk = block_points(moving_geometry.ras_to_ijk @ geometry.ijk_to_ras, block)
    return _mapped_ijk(unmoved_ijk, displacement_in_block(field, geometry, block), moving_geometry)


def _mapped_ijk(points_ijk: np.ndarray, displacement_ras_mm: np.ndarray, geometry: ImageGeometry) -> np.ndarray:
    """Move voxel indices (..., 3) of a grid by displacements (..., 3) mm in RAS."""
    mapped: np.ndarray = points_ijk + displacement_ras_mm @ geometry.ras_to_ijk[:3, :3].T
    return mapped
