"""Branching trees that fill a lobe, and painting tubes into a voxel grid: vessels and airways of the phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Narrower tubes are drawn by the volume they hold, wider ones by their distance function.
_THIN_VOXELS = 0.7
_TERMINAL_RADIUS_MM = 0.47
# Radius^exponent is the number of terminals served; Murray's law has 3.
_BRANCHING_EXPONENT = 3.2


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight round tubes.

    Attributes:
        starts_ras_mm, ends_ras_mm: (N, 3).
        radii_mm: (N,).
    """

    starts_ras_mm: np.ndarray
    ends_ras_mm: np.ndarray
    radii_mm: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Tubes:
        return Tubes(self.starts_ras_mm[chosen], self.ends_ras_mm[chosen], self.radii_mm[chosen])


def chain(points_ras_mm: Sequence[ArrayLike], radius_mm: float) -> Tubes:
    """One bent tube through the points."""
    points = np.array(points_ras_mm, float)
    return Tubes(points[:-1], points[1:], np.full(len(points) - 1, float(radius_mm)))


def joined(*parts: Tubes) -> Tubes:
    names = ("starts_ras_mm", "ends_ras_mm", "radii_mm")
    return Tubes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def grow_tree(rng: np.random.Generator, root_ras_mm: np.ndarray, targets_ras_mm: np.ndarray) -> Tubes:
    """A binary tree from root to every target: each branch heads for the middle of the targets it serves.

    The targets of a branch are halved along the longest of some random directions; the last branches end on them.

    Args:
        targets_ras_mm: (2^L, 3).

    Returns:
        2^(L+1) - 1 tubes, root first, generation by generation.
    """
    groups = targets_ras_mm[None]
    starts, levels = np.array(root_ras_mm, float)[None], []
    while True:
        served = groups.shape[1]
        # Early branches part soon, so that they run straight from the hilum to the region they serve.
        reach = 1.0 if served == 1 else rng.uniform(0.7, 1.3, (len(groups), 1)) * (0.27 if served > 64 else 0.45)
        ends = starts + reach * (groups.mean(1) - starts)
        radius = _TERMINAL_RADIUS_MM * served ** (1 / _BRANCHING_EXPONENT)
        levels.append(Tubes(starts, ends, np.full(len(groups), radius)))
        if served == 1:
            return joined(*levels)
        along = groups @ _random_directions(rng, len(groups))
        longest = np.ptp(along, axis=1).argmax(1)
        along = np.take_along_axis(along, longest[:, None, None], 2)[..., 0]
        groups = np.take_along_axis(groups, along.argsort(1)[..., None], 1).reshape(-1, served // 2, 3)
        starts = ends.repeat(2, 0)


def _random_directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3, 8) unit columns."""
    directions = rng.normal(size=(count, 3, 8))
    columns: np.ndarray = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return columns


def beside(tree: Tubes, direction: np.ndarray, smallest_radius_mm: float) -> Tubes:
    """The wider tubes of a tree moved sideways by their own width, as a bronchus runs beside its artery."""
    parent = np.maximum((np.arange(len(tree.radii_mm)) - 1) // 2, 0)
    wide = tree.radii_mm >= smallest_radius_mm
    start_shift = (1.9 * tree.radii_mm[parent] + 1.2)[:, None] * direction
    end_shift = (1.9 * tree.radii_mm + 1.2)[:, None] * direction
    return Tubes(tree.starts_ras_mm + start_shift, tree.ends_ras_mm + end_shift, 0.85 * tree.radii_mm)[wide]


def tube_coverage(
    shape_kji: tuple[int, int, int], low_ras_mm: np.ndarray, spacing_mm: float, tubes: Tubes
) -> np.ndarray:
    """The share of each voxel that the tubes fill.

    Args:
        low_ras_mm: (3,) centre of voxel (0, 0, 0) of a grid along the RAS axes.

    Returns:
        (K, J, I) float32 in [0, 1].
    """
    in_voxels = Tubes(
        (tubes.starts_ras_mm - low_ras_mm) / spacing_mm,
        (tubes.ends_ras_mm - low_ras_mm) / spacing_mm,
        tubes.radii_mm / spacing_mm,
    )
    thin = in_voxels.radii_mm < _THIN_VOXELS
    coverage = _splat(shape_kji, in_voxels[thin])
    wide = in_voxels[~thin]
    for start, end, radius in zip(wide.starts_ras_mm, wide.ends_ras_mm, wide.radii_mm, strict=True):
        _draw_tube(coverage, start, end, radius)
    return coverage


def _splat(shape_kji: tuple[int, int, int], tubes: Tubes) -> np.ndarray:
    """Thin tubes (in voxels) as volume laid along their axes, shared among the eight nearest voxels."""
    lengths = np.linalg.norm(tubes.ends_ras_mm - tubes.starts_ras_mm, axis=1)
    counts = np.ceil(lengths / 0.5).astype(int) + 1
    owner = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(owner)) - np.repeat(counts.cumsum() - counts, counts)
    along = ((nth + 0.5) / counts[owner])[:, None]
    points_ijk = tubes.starts_ras_mm[owner] * (1 - along) + tubes.ends_ras_mm[owner] * along
    volumes = (np.pi * tubes.radii_mm**2 * lengths / counts)[owner]
    inside = ((points_ijk >= 0) & (points_ijk < np.array(shape_kji[::-1]) - 1)).all(1)
    points_ijk, volumes = points_ijk[inside], volumes[inside]
    base = points_ijk.astype(int)
    fraction = points_ijk - base
    filled = np.zeros(shape_kji, np.float32)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, fraction, 1 - fraction).prod(1) * volumes
        np.add.at(filled, tuple((base + corner).T[::-1]), weight.astype(np.float32))
    return np.minimum(filled, 1, out=filled)


def _draw_tube(coverage: np.ndarray, start_ijk: np.ndarray, end_ijk: np.ndarray, radius: float) -> None:
    """Raise the coverage to that of one tube with round ends, in the box around it; everything in voxels."""
    low = np.maximum(np.floor(np.minimum(start_ijk, end_ijk) - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start_ijk, end_ijk) + radius + 2), coverage.shape[::-1]).astype(int)
    if (high <= low).any():
        return
    axis = end_ijk - start_ijk
    x, y, z = (
        np.arange(low[a], high[a], dtype=np.float32).reshape(shape) - np.float32(start_ijk[a])
        for a, shape in enumerate([(1, 1, -1), (1, -1, 1), (-1, 1, 1)])
    )
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / max(axis @ axis, 1e-9), 0, 1)
    distance = np.sqrt((x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2)
    box = coverage[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    # An edge one voxel wide adds pi / 12 to the cross-section: drawn that much narrower, it holds pi radius^2.
    drawn_radius = np.sqrt(radius**2 - 1 / 12)
    np.maximum(box, np.clip(drawn_radius + 0.5 - distance, 0, 1), out=box)
