"""Linear maps of images that work along one axis after another: blurring, resizing, resampling.

Each is a matrix an axis. As matrix products they run at the machine's full rate: on a CPU ten times as quick as
a convolution of one channel or a reading of eight corners a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

Tensor = torch.Tensor

_BLOCK_ROWS = 32  # of the result at once; a banded matrix is zero outside few columns of such a block


def along_axes(image: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """(B, C, D, H, W) and one matrix (n, D), (m, H), (l, W) for each axis -> (B, C, n, m, l)."""
    for axis, matrix in zip((4, 3, 2), reversed(matrices)):
        image = along_axis(image, matrix, axis)
    return image


def along_axis(image: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """One matrix (n, N) times the axis of length N, 2, 3 or 4, of an image (B, C, D, H, W)."""
    blocks = _blocks(matrix)
    if len(blocks) == 1:
        return _product(image, matrix, axis)
    shape = list(image.shape)
    shape[axis] = len(matrix)
    result = image.new_empty(shape)
    for rows, columns in blocks:
        part = image.narrow(axis, columns.start, columns.stop - columns.start)
        result.narrow(axis, rows.start, rows.stop - rows.start).copy_(_product(part, matrix[rows, columns], axis))
    return result


def _product(image: Tensor, matrix: Tensor, axis: int) -> Tensor:
    if axis == 4:
        return image @ matrix.T
    if axis == 3:
        return matrix @ image
    product: Tensor = (matrix @ image.flatten(3)).unflatten(3, image.shape[3:])
    return product


def _blocks(matrix: Tensor) -> list[tuple[slice, slice]]:
    """Blocks of rows, each with the columns that are not all zero in it; a single one where looking does not pay."""
    rows, columns = matrix.shape
    if matrix.device.type != "cpu" or rows < 2 * _BLOCK_ROWS:
        return [(slice(0, rows), slice(0, columns))]
    found = []
    for first in range(0, rows, _BLOCK_ROWS):
        used = matrix[first : first + _BLOCK_ROWS].any(0).nonzero()
        low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        found.append((slice(first, min(first + _BLOCK_ROWS, rows)), slice(low, high)))
    return found


def linear_weights(positions: Tensor, size: int) -> Tensor:
    """(M, size) weights that read `size` samples 0, 1, ... linearly at positions (M,); beyond the last, the last."""
    samples = torch.arange(size, dtype=positions.dtype, device=positions.device)
    return (1 - (positions.clamp(0, size - 1)[:, None] - samples).abs()).clamp(min=0)
