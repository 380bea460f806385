"""What both images of a registered pair show of the same tissue, block by block of the fixed grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .displacement_field import DisplacementField, displacement_in_block
from .geometry import ImageGeometry
from .median_filter import median_of_neighbours
from .scanned_lungs import ScannedLungs
from .voxel_reading import Block, block_points, blocks, is_inside, read_nearest, read_trilinear


@dataclass(frozen=True, eq=False)
class Densities:
    """A block of the fixed grid, (k, j, i).

    Attributes:
        block: where it lies.
        fixed_hu, moving_hu: float32, medians over 3 x 3 x 3 voxels, the moving image's after it was warped.
        in_both: bool, lung in both images.
    """

    block: Block
    fixed_hu: np.ndarray
    moving_hu: np.ndarray
    in_both: np.ndarray


def densities_in_lungs(
    fixed: ScannedLungs, moving: ScannedLungs, fixed_to_moving: DisplacementField
) -> Iterator[Densities]:
    """Every block with lung of the fixed image in it."""
    grid, other = fixed.volume.geometry, moving.volume.geometry
    for block in blocks(grid.shape_kji):
        if not fixed.lungs[block].any():
            continue
        wide = tuple(slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(block, grid.shape_kji))
        inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(block, wide))
        there_ijk = _moving_ijk(fixed_to_moving, grid, other, wide)
        hu_of_both = fixed.volume.hu[wide], read_trilinear(moving.volume.hu, there_ijk)
        there_ijk = there_ijk[inner]
        is_lung_there = is_inside(other.shape_kji, there_ijk) & read_nearest(moving.lungs, there_ijk)
        yield Densities(block, *(_median(hu, block, wide) for hu in hu_of_both), fixed.lungs[block] & is_lung_there)


def _moving_ijk(field: DisplacementField, grid: ImageGeometry, other: ImageGeometry, block: Block) -> np.ndarray:
    """(k, j, i, 3) voxel indices of the other image that the voxels of a block of the grid map to."""
    moved_ras_mm = displacement_in_block(field, grid, block) @ other.ras_to_ijk[:3, :3].T
    return block_points(other.ras_to_ijk @ grid.ijk_to_ras, block) + moved_ras_mm


def _median(hu: np.ndarray, block: Block, wide: Block) -> np.ndarray:
    """Medians over a block of values over a wider one; at the image's border the last voxel is repeated."""
    missing = [(w.start - s.start + 1, s.stop + 1 - w.stop) for s, w in zip(block, wide)]
    return median_of_neighbours(np.pad(hu, missing, mode="edge").astype(np.float32, copy=False))
