"""Where a displacement field compresses, expands or folds: det(I + du/dx) in RAS.

Each determinant is taken from the edges of the deformed voxel: with M the voxel's
edges as columns (mm, RAS) and D the differences of u along i, j and k,
det(I + du/dx) = det(M + D) / det(M), whatever the direction or handedness of the grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from .blocks_at_once import made_of_blocks
from .displacement_field import DisplacementField, displacement_in_block
from .errors import InvalidVolumeError
from .geometry import ImageGeometry
from .voxel_reading import Block, blocks, with_rim

SMALLEST_FOR_LOG = 1e-9


@dataclass(frozen=True)
class FoldStatistics:
    """Determinants over a set of voxels; fold means determinant <= 0.

    Attributes:
        voxels: how many voxels.
        folds_central, folds_any_one_sided: voxels folded by central differences, and by any of the eight
            combinations of one-sided differences.
        fold_fraction_central, fold_fraction_any_one_sided: the same as a share of the voxels, [0, 1].
        min, max, mean, p1, p5, p50, p95, p99: central determinant and its percentiles.
        min_one_sided: the smallest of all one-sided determinants.
        sd_log_j: standard deviation of the natural logarithm of the central determinant, clipped at 1e-9.
    """

    voxels: int
    folds_central: int
    folds_any_one_sided: int
    fold_fraction_central: float
    fold_fraction_any_one_sided: float
    min: float
    max: float
    mean: float
    p1: float
    p5: float
    p50: float
    p95: float
    p99: float
    min_one_sided: float
    sd_log_j: float

    def as_dict(self) -> dict[str, float]:
        return dataclasses.asdict(self)


def jacobian_determinant(field: DisplacementField) -> np.ndarray:
    """(K, J, I) float32 det(I + du/dx) by central differences, one-sided at the borders; unitless, 1 is no change."""
    return determinant_on(field, field.geometry)


def determinant_on(field: DisplacementField, geometry: ImageGeometry) -> np.ndarray:
    """Central determinant (K, J, I) float32 of the field sampled on another grid."""
    return made_of_blocks(geometry.shape_kji, np.float32, lambda block: determinant_in_block(field, geometry, block))


def determinant_in_block(field: DisplacementField, geometry: ImageGeometry, block: Block) -> np.ndarray:
    """A block (k, j, i) of ``determinant_on``."""
    return _central(_edges_in_block(field, geometry, block), geometry)


def one_sided_minimum_in_block(field: DisplacementField, geometry: ImageGeometry, block: Block) -> np.ndarray:
    """The smallest of the eight determinants of forward and backward differences at each voxel of a block.

    A map is free of folds on its grid only where all of them are positive; central differences
    skip the voxel itself and miss a checkerboard (Liu et al., IJCV 2024, "digital diffeomorphism").
    The central determinant is the mean of the eight, so it is never below this minimum.

    Args:
        field: the displacement field.
        geometry: grid to sample the field on first.
        block: of that grid.

    Returns:
        (k, j, i) float32.
    """
    return _one_sided_minimum(_edges_in_block(field, geometry, block), geometry)


def fold_mask(field: DisplacementField, geometry: ImageGeometry | None = None) -> np.ndarray:
    """(K, J, I) bool: voxels where any of the eight one-sided determinants is <= 0; on the field's own grid or another.

    Only the mask is kept: the determinants of a large image would take four times its memory.
    """
    grid = geometry or field.geometry
    return made_of_blocks(grid.shape_kji, bool, lambda block: one_sided_minimum_in_block(field, grid, block) <= 0)


def fold_statistics(
    field: DisplacementField, mask: np.ndarray | None = None, geometry: ImageGeometry | None = None
) -> FoldStatistics:
    """Determinants of the field over a mask, usually the lungs.

    Args:
        field: the displacement field.
        mask: (K, J, I) on the grid ``geometry``; None is every voxel.
        geometry: grid of the mask, on which the field is sampled first; None is the field's own.

    Raises:
        InvalidVolumeError: the mask has another shape, or no voxel.
    """
    geometry = geometry or field.geometry
    if mask is not None and mask.shape != geometry.shape_kji:
        raise InvalidVolumeError(f"The mask has shape {mask.shape}, its grid {geometry.shape_kji}; they must agree.")
    if mask is not None and not mask.any():
        raise InvalidVolumeError("The mask has no voxel; determinants need a lung mask that is not empty.")
    per_block = [
        (_central(edges, geometry), _one_sided_minimum(edges, geometry))
        for edges in _edges_in_mask(field, geometry, mask)
    ]
    central, smallest = (np.concatenate([np.ravel(values) for values in column]) for column in zip(*per_block))
    return _statistics(central, smallest)


def _statistics(central: np.ndarray, smallest: np.ndarray) -> FoldStatistics:
    """Summary of central determinants (N,) and one-sided minima (N,)."""
    p1, p5, p50, p95, p99 = (float(p) for p in np.percentile(central, (1, 5, 50, 95, 99)))
    folds_central, folds_any = int((central <= 0).sum()), int((smallest <= 0).sum())
    return FoldStatistics(
        voxels=central.size,
        folds_central=folds_central,
        folds_any_one_sided=folds_any,
        fold_fraction_central=folds_central / central.size,
        fold_fraction_any_one_sided=folds_any / central.size,
        min=float(central.min()),
        max=float(central.max()),
        mean=float(central.mean(dtype=np.float64)),
        p1=p1,
        p5=p5,
        p50=p50,
        p95=p95,
        p99=p99,
        min_one_sided=float(smallest.min()),
        sd_log_j=float(np.log(np.maximum(central, SMALLEST_FOR_LOG)).std(dtype=np.float64)),
    )


# For each voxel axis i, j, k: the deformed voxel's edge (3, ...) by backward and by forward difference, mm in RAS.
_Edges = list[tuple[np.ndarray, np.ndarray]]


def _edges_in_mask(field: DisplacementField, geometry: ImageGeometry, mask: np.ndarray | None) -> Iterator[_Edges]:
    """Yield the edges of each block with a marked voxel: (3, N) at those of the mask, (3, k, j, i) without one."""
    for block in blocks(geometry.shape_kji):
        inside = None if mask is None else np.asarray(mask[block], bool)
        if inside is None or inside.any():
            yield _edges_in_block(field, geometry, block, inside)


def _edges_in_block(
    field: DisplacementField, geometry: ImageGeometry, block: Block, inside: np.ndarray | None = None
) -> _Edges:
    """The deformed voxels' edges, (3, k, j, i), or (3, N) at the block's voxels that are marked."""
    wide, inner = with_rim(block, geometry.shape_kji)
    displacement = np.ascontiguousarray(np.moveaxis(displacement_in_block(field, geometry, wide), -1, 0))
    if inside is None:
        trim = (slice(None), *inner)
        sides = [(a[trim], b[trim]) for a, b in (_one_sided_differences(displacement, axis) for axis in (3, 2, 1))]
    else:
        sides = _one_sided_differences_at(displacement, inner, inside)
    edges = []
    for (backward, forward), of_voxel in zip(sides, geometry.ijk_to_ras[:3, :3].T.astype(np.float32)):
        of_voxel = of_voxel.reshape(3, *[1] * (backward.ndim - 1))
        edges.append((backward + of_voxel, forward + of_voxel))
    return edges


def _one_sided_differences(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Backward and forward difference along an axis, same shape; at a border both are the one that exists."""
    if array.shape[axis] == 1:
        return np.zeros_like(array), np.zeros_like(array)
    difference = np.diff(array, axis=axis)
    first, last = np.take(difference, [0], axis), np.take(difference, [-1], axis)
    return np.concatenate([first, difference], axis), np.concatenate([difference, last], axis)


def _one_sided_differences_at(
    array: np.ndarray, inner: tuple[slice, ...], inside: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`_one_sided_differences` of (C, k, j, i) along i, j and k, (C, N) each, at N voxels marked in its inner part."""
    place = [index + (side.start or 0) for index, side in zip(inside.nonzero(), inner)]
    rows = array.reshape(len(array), -1)

    def at(places: Sequence[np.ndarray]) -> np.ndarray:
        return rows.take(np.ravel_multi_index(tuple(places), array.shape[1:]), 1)

    here, differences = at(place), []
    for axis in (2, 1, 0):
        behind, ahead = list(place), list(place)
        behind[axis] = np.maximum(place[axis] - 1, 0)
        ahead[axis] = np.minimum(place[axis] + 1, array.shape[axis + 1] - 1)
        backward, forward = here - at(behind), at(ahead) - here
        is_first, is_last = place[axis] == 0, place[axis] == array.shape[axis + 1] - 1
        backward[:, is_first], forward[:, is_last] = forward[:, is_first], backward[:, is_last]
        differences.append((backward, forward))
    return differences


def _central(edges: _Edges, geometry: ImageGeometry) -> np.ndarray:
    middle = [(backward + forward) * np.float32(0.5) for backward, forward in edges]
    return _dot(middle[0], _cross(middle[1], middle[2])) / _voxel_determinant(geometry)


def _one_sided_minimum(edges: _Edges, geometry: ImageGeometry) -> np.ndarray:
    scale = 1 / _voxel_determinant(geometry)
    crosses = [_cross(edge_j, edge_k) for edge_j, edge_k in product(edges[1], edges[2])]
    determinants = (_dot(edge_i, cross) * scale for edge_i, cross in product(edges[0], crosses))
    smallest: np.ndarray = next(determinants)
    for determinant in determinants:
        np.minimum(smallest, determinant, out=smallest)
    return smallest


def _voxel_determinant(geometry: ImageGeometry) -> np.float32:
    """Signed volume of a voxel, mm^3; negative where the grid is left-handed."""
    determinant: np.float32 = np.float32(np.linalg.det(geometry.ijk_to_ras[:3, :3]))
    return determinant


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a x b for vectors along the first axis."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
