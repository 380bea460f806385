"""What both images of a registered pair show of the same tissue, block by block of the fixed grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .blocks_at_once import for_each_block
from .displacement_field import DisplacementField, moving_ijk_in_block
from .folds import determinant_in_block
from .median_filter import median_of_neighbours
from .scanned_lungs import ScannedLungs
from .voxel_reading import Block, blocks, is_inside, read_nearest, read_trilinear, with_rim
from .voxel_views import box_of


@dataclass(frozen=True, eq=False)
class Densities:
    """A block of the fixed grid, (k, j, i).

    Attributes:
        block: where it lies.
        determinant: float32 det J of the map.
        fixed_hu, moving_hu: float32, medians over 3 x 3 x 3 voxels, the moving image's after it was warped.
        in_both: bool, lung in both images.
    """

    block: Block
    determinant: np.ndarray
    fixed_hu: np.ndarray
    moving_hu: np.ndarray
    in_both: np.ndarray


def densities_in_lungs(
    fixed: ScannedLungs, moving: ScannedLungs, fixed_to_moving: DisplacementField
) -> Iterator[Densities]:
    """Blocks that together hold the lungs of the fixed image."""
    grid, other = fixed.volume.geometry, moving.volume.geometry

    def densities(block: Block) -> Densities:
        wide, inner = with_rim(block, grid.shape_kji)
        there_ijk = moving_ijk_in_block(fixed_to_moving, grid, wide, other)
        hu_of_both = fixed.volume.hu[wide], read_trilinear(moving.volume.hu, there_ijk)
        there_ijk = there_ijk[inner]
        is_lung_there = is_inside(other.shape_kji, there_ijk) & read_nearest(moving.lungs, there_ijk)
        fixed_hu, moving_hu = (_median(hu, block, wide) for hu in hu_of_both)
        determinant = determinant_in_block(fixed_to_moving, grid, block)
        return Densities(block, determinant, fixed_hu, moving_hu, fixed.lungs[block] & is_lung_there)

    return for_each_block(densities, list(_blocks_around(fixed.lungs)))


def _blocks_around(lungs: np.ndarray) -> Iterator[Block]:
    """Each block of a grid, cut down to the lungs in it; none where there are none."""
    for block in blocks(lungs.shape):
        if lungs[block].any():
            k, j, i = (slice(s.start + box.start, s.start + box.stop) for s, box in zip(block, box_of(lungs[block])))
            yield k, j, i


def _median(hu: np.ndarray, block: Block, wide: Block) -> np.ndarray:
    """Medians over a block of values over a wider one; at the image's border the last voxel is repeated."""
    missing = [(w.start - s.start + 1, s.stop + 1 - w.stop) for s, w in zip(block, wide)]
    return median_of_neighbours(np.pad(hu, missing, mode="edge").astype(np.float32, copy=False))
