"""Which lung a voxel belongs to, left or right, also where both touch or only one is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import ImageGeometry, transform_points
from .morphology import Morphology
from .volume import Volume
from .voxel_reading import Block, is_inside, read_block, read_nearest
from .voxel_views import box_of, mask_points_ras_mm, thinned_view, viewed_geometry

_COARSE_MM = 2.0
# Lungs that touch do so along a thin sheet in front of or behind the heart: less than twice the last of these.
_PEELED_MM = (0.0, 2.0, 4.0, 6.0, 9.0, 12.0, 16.0, 20.0)
_SMALLEST_SHARE = 0.05  # of the larger lung, or it is no lung
_APART = 0.35  # of the width of both, the centres of two lungs
_AIR_HU, _WALL_MM, _ROWS_MM = -700.0, 80.0, 6.0
_POINTS = 100_000
_PLANE_MM = 4.0


@dataclass(frozen=True, eq=False)
class LungSides:
    """How much nearer each place is to the right lung than to the left one.

    Attributes:
        nearer_right: (k, j, i) float32 on a coarse grid around the lungs, above 0 on the side of the right lung.
        geometry: of the coarse grid, RAS mm.
        how: "apart", "touching" (but told apart), "cut" (at a plane, for lack of better) or "one" lung only.
    """

    nearer_right: np.ndarray
    geometry: ImageGeometry
    how: str

    def is_right(self, geometry: ImageGeometry, block: Block) -> np.ndarray:
        """(k, j, i) bool at the voxels of a block of a grid; means something in the lungs only."""
        return read_block(self.nearer_right, self.geometry.ras_to_ijk @ geometry.ijk_to_ras, block) > 0


def find_sides(lungs: np.ndarray, volume: Volume) -> LungSides:
    """Tell left from right lung.

    Both are found as the two large connected parts far apart; where they touch, once enough layers are peeled off.
    Every voxel then belongs to the nearer one.

    Args:
        lungs: (K, J, I) bool, not empty, on the grid of the volume.
        volume: CT, HU; where there is one lung only, it has the air around the body on its outer side.
    """
    view = thinned_view(volume.geometry, _COARSE_MM, box_of(lungs))
    coarse, geometry = lungs[view], viewed_geometry(volume.geometry, view)
    grid = Morphology(tuple(geometry.spacing_mm[::-1].tolist()))
    x_mm = _points_ras_mm(coarse, geometry)[:, 0]
    depth_mm = _depth(coarse, grid)
    for peeled_mm in _PEELED_MM:
        parts = _two_lungs(depth_mm > peeled_mm, geometry, grid, _APART * np.ptp(x_mm))
        if parts is not None:
            right, left = parts
            nearer_right = grid.distance_to(left) - grid.distance_to(right)
            return LungSides(nearer_right, geometry, "touching" if peeled_mm else "apart")
    if _is_one_lung(coarse, geometry):
        is_right = _has_its_chest_wall_right(lungs, volume)
        return LungSides(np.full(coarse.shape, 1.0 if is_right else -1.0, np.float32), geometry, "one")
    all_x_mm = geometry.points_ras_mm()[..., 0]
    return LungSides((all_x_mm - _thinnest_plane(x_mm)).astype(np.float32), geometry, "cut")


def _points_ras_mm(mask: np.ndarray, geometry: ImageGeometry) -> np.ndarray:
    return mask_points_ras_mm(mask, geometry, _POINTS)


def _depth(mask: np.ndarray, grid: Morphology) -> np.ndarray:
    """(k, j, i) mm from each voxel of a mask to the nearest one outside it, also beyond the box; 0 outside."""
    around = np.pad(~mask, 1, constant_values=True)
    return grid.distance_to(around)[1:-1, 1:-1, 1:-1].clip(min=0)


def _two_lungs(
    mask: np.ndarray, geometry: ImageGeometry, grid: Morphology, apart_mm: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """The right and the left of the two largest parts whose centres are far apart; None where there is but one."""
    labels = grid.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    large = [n + 1 for n, size in enumerate(sizes) if size >= _SMALLEST_SHARE * sizes[0]]
    centres_mm = {n: float(_points_ras_mm(labels == n, geometry)[:, 0].mean()) for n in large}
    for other in large[1:]:
        if abs(centres_mm[other] - centres_mm[1]) >= apart_mm:
            right, left = sorted((1, other), key=centres_mm.__getitem__, reverse=True)
            return labels == right, labels == left
    return None


def _is_one_lung(mask: np.ndarray, geometry: ImageGeometry) -> bool:
    """Two lungs are wider than deep, one is deeper than wide."""
    width_mm, depth_mm, _ = np.ptp(_points_ras_mm(mask, geometry), axis=0)
    return bool(width_mm < depth_mm)


def _has_its_chest_wall_right(lung: np.ndarray, volume: Volume) -> bool:
    """Whether the air beyond the chest wall is met on the right of the only lung, more often than on its left.

    The mediastinum and what is in place of the other lung are thicker than a chest wall, or cut off by the image.
    """
    low, high = (bound(volume.geometry.corners_ras_mm(), 0) for bound in (np.min, np.max))
    across, forwards, up = (np.arange(a, b + _ROWS_MM, _ROWS_MM) for a, b in zip(low, high))
    points_ras_mm = np.stack(np.meshgrid(up, forwards, across, indexing="ij")[::-1], -1)
    points_ijk = transform_points(volume.geometry.ras_to_ijk, points_ras_mm)
    is_seen = is_inside(lung.shape, points_ijk)
    is_lung = is_seen & read_nearest(lung, points_ijk)
    is_air = is_seen & ~is_lung & (read_nearest(volume.hu, points_ijk) < _AIR_HU)
    rows = is_lung.any(-1)
    is_lung, is_air = is_lung[rows], is_air[rows]
    right, left = (_rows_that_end_in_air(is_lung[:, ::way], is_air[:, ::way]) for way in (1, -1))
    if right == left:  # the air is nowhere in the image
        return bool(is_lung.nonzero()[1].mean() > (len(across) - 1) / 2)
    return right > left


def _rows_that_end_in_air(is_lung: np.ndarray, is_air: np.ndarray) -> int:
    """Of rows (N, I) with lung in them, those with air within a wall's thickness after the last of the lung."""
    reach = int(_WALL_MM / _ROWS_MM)
    ends = is_lung.shape[1] - is_lung[:, ::-1].argmax(1)
    return sum(bool(air[end : end + reach].any()) for air, end in zip(is_air, ends))


def _thinnest_plane(x_mm: np.ndarray) -> float:
    """RAS x, mm, of the sagittal slice with the least lung, in the middle third."""
    low, high = x_mm.min(), x_mm.max()
    edges = np.arange(low + (high - low) / 3, high - (high - low) / 3 + _PLANE_MM, _PLANE_MM)
    counts = np.histogram(x_mm, edges)[0]
    return float(edges[counts.argmin()] + _PLANE_MM / 2)
