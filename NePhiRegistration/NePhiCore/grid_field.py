"""Displacement fields as a viewer's grid transform takes them: orthonormal axes, cubic between the grid's points.

VTK's grid transform, and with it 3D Slicer's, interpolates cubically: along each axis the Catmull-Rom spline through
four points, in the first and the last interval the parabola through three. Reading a field in the same way makes an
image that was warped beforehand equal to one that is resampled through the transform.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .axis_products import along_axis
from .displacement_field import AIR_HU, DisplacementField, sample_on, warp_volume
from .errors import InvalidTransformError
from .geometry import ImageGeometry, transform_points
from .volume import Volume

_TOLERANCE = 1e-5
_SLICES_AT_ONCE = 16


def on_orthonormal_grid(field: DisplacementField) -> DisplacementField:
    """The same field on a grid whose axes are orthonormal, as a grid transform must have.

    A field over a sheared image (gantry tilt) is sampled on an upright grid around it, with the finest spacing of the
    old; every other field is returned as it is.
    """
    geometry = field.geometry
    if np.abs(geometry.direction.T @ geometry.direction - np.eye(3)).max() <= _TOLERANCE:
        return field
    corners_ras_mm = geometry.corners_ras_mm()
    low, high = corners_ras_mm.min(0), corners_ras_mm.max(0)
    spacing_mm = float(geometry.spacing_mm.min())
    steps = np.ceil((high - low) / spacing_mm).astype(int)
    return sample_on(field, ImageGeometry.from_spacing((steps + 1)[::-1], (spacing_mm,) * 3, low))


def warp_volume_cubic(moving: Volume, field: DisplacementField, geometry: ImageGeometry) -> np.ndarray:
    """`warp_volume` with the field read cubically between its points; where the axes differ, linearly.

    Args:
        moving: image to warp.
        field: fixed-to-moving displacement field.
        geometry: the fixed grid.

    Returns:
        (K, J, I) in the moving image's own type.
    """
    fill = max(AIR_HU, float(moving.hu.min()))
    if np.abs(field.geometry.direction - geometry.direction).max() > _TOLERANCE:
        return warp_volume(moving, field, geometry, fill).astype(moving.hu.dtype, copy=False)
    warped = np.empty(geometry.shape_kji, moving.hu.dtype)
    for slices, slab in cubic_slabs(field, geometry):
        warped[slices] = warp_volume(moving, slab, slab.geometry, fill)
    return warped


def cubic_slabs(field: DisplacementField, geometry: ImageGeometry) -> Iterator[tuple[slice, DisplacementField]]:
    """The field, read cubically, on another grid with the same axes, some slices at a time.

    Args:
        field: the displacement field.
        geometry: grid with the field's axes, perhaps with another spacing, origin and shape.

    Yields:
        A range of slices and the field on these slices. Beyond the given field the edge is repeated.

    Raises:
        InvalidTransformError: the axes differ.
    """
    to_field_ijk = field.geometry.ras_to_ijk @ geometry.ijk_to_ras
    scale = np.diag(to_field_ijk)[:3]
    if np.abs(field.geometry.direction - geometry.direction).max() > _TOLERANCE:
        raise InvalidTransformError(
            f"The field's axes {field.geometry.direction.tolist()} are not those of the grid "
            f"{geometry.direction.tolist()}. Sample it on a grid with these axes first."
        )
    along_i, along_j, along_k = (
        _weights(np.arange(count) * scale[axis] + to_field_ijk[axis, 3], field.geometry.shape_kji[2 - axis])
        for axis, count in enumerate(geometry.shape_kji[::-1])
    )
    channels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(field.displacement_ras_mm, -1, 0), np.float32))[None]
    for start in range(0, geometry.shape_kji[0], _SLICES_AT_ONCE):
        slices = slice(start, min(start + _SLICES_AT_ONCE, geometry.shape_kji[0]))
        values = along_axis(channels, along_k[slices], 2)  # first of all: few slices are left then
        values = along_axis(along_axis(values, along_j, 3), along_i, 4)[0]
        yield slices, DisplacementField(values.movedim(0, -1).contiguous().numpy(), _slab(geometry, slices))


def _slab(geometry: ImageGeometry, slices: slice) -> ImageGeometry:
    """The part of a grid that lies in a range of slices."""
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 3] = transform_points(geometry.ijk_to_ras, np.array([0.0, 0.0, slices.start]))
    return ImageGeometry((slices.stop - slices.start, *geometry.shape_kji[1:]), matrix)


def _weights(positions: np.ndarray, size: int) -> torch.Tensor:
    """(N, size) float32 weights that interpolate along one axis of so many samples at fractional indices (N,)."""
    positions = np.clip(positions, 0, size - 1)
    first = np.clip(np.floor(positions).astype(int), 0, max(size - 2, 0))
    f = positions - first
    weights = np.stack(
        [
            -f * (f - 1) ** 2 / 2,
            ((3 * f - 2) * f - 2) * (f - 1) / 2,
            -((3 * f - 4) * f - 1) * f / 2,
            f * f * (f - 1) / 2,
        ],
        -1,
    )
    zero = np.zeros_like(f)
    has_before, has_after = first > 0, first + 2 < size
    parabola_after = np.stack([zero, (f - 1) * (f - 2) / 2, -f * (f - 2), f * (f - 1) / 2], -1)
    parabola_before = np.stack([f * (f - 1) / 2, 1 - f * f, f * (f + 1) / 2, zero], -1)
    line = np.stack([zero, 1 - f, f, zero], -1)
    weights = np.where((~has_before & has_after)[:, None], parabola_after, weights)
    weights = np.where((has_before & ~has_after)[:, None], parabola_before, weights)
    weights = np.where((~has_before & ~has_after)[:, None], line, weights)
    indices = np.clip(first[:, None] + np.arange(-1, 3), 0, size - 1)
    matrix = np.zeros((len(positions), size), np.float32)
    np.add.at(matrix, (np.arange(len(positions))[:, None], indices), weights.astype(np.float32))
    return torch.from_numpy(matrix)
