"""Reading voxel arrays at fractional voxel indices, block by block so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from .sampling import read_image

# 64^3 points and their intermediate arrays take about 30 MB and amortise the cost of a call.
BLOCK_EDGE = 64

_ALIGNED_VOXELS = 1e-4  # a grid's axes are another's where it leaves them by less

Block = tuple[slice, slice, slice]


def blocks(shape_kji: tuple[int, int, int], edge: int = BLOCK_EDGE) -> Iterator[Block]:
    """Index ranges (k, j, i) of cubes that cover a grid once; those at the far borders are smaller."""
    ranges = [[slice(start, min(start + edge, n)) for start in range(0, n, edge)] for n in shape_kji]
    return product(*ranges)


def block_points(matrix: np.ndarray, block: Block) -> np.ndarray:
    """(k, j, i, 3) float64: a 4 x 4 matrix applied to the voxel indices (i, j, k) of a block."""
    k, j, i = (np.arange(s.start, s.stop, dtype=np.float64)[:, None] for s in block)
    along_i, along_j, along_k = matrix[:3, :3].T
    rows = (k * along_k + matrix[:3, 3])[:, None] + j * along_j
    points: np.ndarray = rows[:, :, None] + i * along_i
    return points


def with_rim(block: Block, shape_kji: tuple[int, int, int]) -> tuple[Block, Block]:
    """A block with one voxel more on each side where the grid goes on, and where in that the block lies."""
    k, j, i = (slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(block, shape_kji))
    inner_k, inner_j, inner_i = (slice(s.start - w.start, s.stop - w.start) for s, w in zip(block, (k, j, i)))
    return (k, j, i), (inner_k, inner_j, inner_i)


def read_trilinear(array: np.ndarray, points_ijk: np.ndarray) -> np.ndarray:
    """Trilinear values at fractional voxel indices; beyond the grid the edge value is repeated.

    Only the part of the array that the points span is converted to float32.

    Args:
        array: (K, J, I) or (K, J, I, C), any real dtype.
        points_ijk: (..., 3).

    Returns:
        (...) or (..., C) float32.
    """
    channels = array.shape[3:]
    if points_ijk.size == 0:
        return np.zeros((*points_ijk.shape[:-1], *channels), np.float32)
    flat_ijk = torch.from_numpy(np.require(points_ijk, requirements=["C", "W"])).reshape(-1, 3)
    last_ijk = torch.tensor(array.shape[2::-1]) - 1
    low, high = (bound.floor().long() for bound in flat_ijk.aminmax(dim=0))
    low, high = low.clamp(min=0).minimum(last_ijk), (high + 1).clamp(min=0).minimum(last_ijk)
    spanned = tuple(slice(a, b + 1) for a, b in zip(low.tolist()[::-1], high.tolist()[::-1]))
    part = torch.from_numpy(np.require(array[spanned], np.float32, ["C", "W"]))
    # Axes in the order (i, j, k), that of the points, so that no coordinate is reversed here.
    image = part.reshape(*part.shape[:3], -1).permute(3, 2, 1, 0)
    points_norm = ((flat_ijk - low) * (2 / (high - low).clamp(min=1)) - 1).float()
    values = read_image(image[None], points_norm[None])[0]
    return values.numpy().reshape((*points_ijk.shape[:-1], *channels))


def read_block(array: np.ndarray, matrix: np.ndarray, block: Block) -> np.ndarray:
    """`read_trilinear` at a 4 x 4 matrix applied to the voxel indices (i, j, k) of a block.

    Where the axes of both grids are the same, one axis after another, which takes a quarter of the time.

    Returns:
        (k, j, i) or (k, j, i, C) float32.
    """
    across = np.abs(matrix[:3, :3]) * (1 - np.eye(3))
    if (across @ [s.stop for s in block[::-1]]).max() > _ALIGNED_VOXELS:
        return read_trilinear(array, block_points(matrix, block))
    lows, shares = [], []
    for axis, (part, size) in enumerate(zip(block, array.shape)):
        step, first = matrix[2 - axis, 2 - axis], matrix[2 - axis, 3]
        positions = np.clip(np.arange(part.start, part.stop) * step + first, 0, size - 1)
        lows.append(np.minimum(positions.astype(np.intp), max(size - 2, 0)))
        shares.append((positions - lows[-1]).astype(np.float32))
    spanned = tuple(slice(low.min(), low.max() + 2) for low in lows)
    values = array[spanned].astype(np.float32)
    for axis, (low, share) in enumerate(zip(lows, shares)):
        low = low - low.min()
        share = share.reshape(-1, *[1] * (values.ndim - axis - 1))
        here, there = values.take(low, axis), values.take(np.minimum(low + 1, values.shape[axis] - 1), axis)
        values = here + (there - here) * share
    return values


def read_nearest(array: np.ndarray, points_ijk: np.ndarray) -> np.ndarray:
    """Values of the nearest voxels, in the array's dtype; beyond the grid the edge value is repeated.

    Args:
        array: (K, J, I).
        points_ijk: (..., 3).
    """
    index = np.clip(np.rint(points_ijk), 0, np.array(array.shape[::-1]) - 1).astype(np.intp)
    values: np.ndarray = array[index[..., 2], index[..., 1], index[..., 0]]
    return values


def is_inside(shape_kji: tuple[int, int, int], points_ijk: np.ndarray) -> np.ndarray:
    """(...) bool: points within the image, whose border lies half a voxel beyond the outermost centres (as in ITK)."""
    inside = (points_ijk >= -0.5) & (points_ijk <= np.array(shape_kji[::-1]) - 0.5)
    return inside[..., 0] & inside[..., 1] & inside[..., 2]
