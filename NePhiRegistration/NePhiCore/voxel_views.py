"""Parts of a voxel grid: the box around a mask, every n-th voxel, the points of a mask, a mask on another grid."""

from __future__ import annotations

import numpy as np

from .geometry import ImageGeometry, transform_points

View = tuple[slice, slice, slice]


def box_of(mask: np.ndarray) -> View:
    """Smallest index ranges (k, j, i) that hold a mask, which must not be empty."""
    hits = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    k, j, i = (slice(int(h[0]), int(h[-1]) + 1) for h in hits)
    return k, j, i


def thinned_view(geometry: ImageGeometry, spacing_mm: float, box: View | None = None) -> View:
    """Index ranges (k, j, i) that leave out voxels that lie closer than needed; those that stay keep their values.

    Args:
        geometry: the whole grid.
        spacing_mm: the step along each axis is the whole number of voxels nearest to it, at least one.
        box: part of the grid; None is all of it.
    """
    ranges = box or [slice(0, n) for n in geometry.shape_kji]
    steps = np.maximum(1, np.rint(spacing_mm / geometry.spacing_mm)).astype(int)[::-1]
    k, j, i = (slice(s.start, s.stop, int(step)) for s, step in zip(ranges, steps))
    return k, j, i


def viewed_geometry(geometry: ImageGeometry, view: View) -> ImageGeometry:
    """Geometry of ``array[view]`` for an array on the given grid."""
    start_ijk, step_ijk = (np.array([getattr(s, name) for s in view[::-1]], float) for name in ("start", "step"))
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 3] = transform_points(geometry.ijk_to_ras, start_ijk)
    matrix[:3, :3] *= step_ijk
    k, j, i = (len(range(s.start, s.stop, s.step)) for s in view)
    return ImageGeometry((k, j, i), matrix)


def nodes_around(mask: np.ndarray, shape_kji: tuple[int, int, int]) -> np.ndarray:
    """The voxels of another grid over the same field of view that reading anywhere in a mask touches.

    Args:
        mask: (K, J, I) bool.
        shape_kji: of the other grid, whose first and last voxel centres are those of the mask's, as those of
            `ImageGeometry.with_spacing` are.

    Returns:
        Bool of that shape.
    """
    for axis, count in enumerate(shape_kji):
        steps = max(count - 1, 1)
        edges = np.arange(steps + 1) * (mask.shape[axis] - 1) / steps
        first, last = np.floor(edges[:-1] + 1e-9).astype(int), np.ceil(edges[1:] - 1e-9).astype(int)
        along = np.ascontiguousarray(np.moveaxis(mask, axis, 0))  # is read in a fifth of the time
        between = np.stack([along[low : high + 1].any(0) for low, high in zip(first, last)])
        if count > 1:
            nothing = np.zeros_like(between[:1])
            between = np.concatenate([between, nothing]) | np.concatenate([nothing, between])
        mask = np.moveaxis(between, 0, axis)
    return mask


def mask_points_ras_mm(mask: np.ndarray, geometry: ImageGeometry, at_most: int, anywhere: bool = False) -> np.ndarray:
    """(N, 3) RAS mm centres of a mask's voxels; of more than ``at_most`` a random choice, always the same.

    Args:
        anywhere: in place of its centre a random point in each voxel.
    """
    index, random = np.flatnonzero(mask), np.random.default_rng(0)
    if len(index) > at_most:
        index = random.choice(index, at_most, replace=False, shuffle=False)
    ijk = np.stack(np.unravel_index(index, mask.shape)[::-1], -1).astype(np.float64)
    if anywhere:
        ijk += random.uniform(-0.5, 0.5, ijk.shape)
    return transform_points(geometry.ijk_to_ras, ijk)
