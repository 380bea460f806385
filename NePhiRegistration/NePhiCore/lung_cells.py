"""The cells of a cube that hold lung, and what it costs to displace each of them.

A cube around the lungs is three quarters something else. Here voxels are gathered cell by cell, with the cells as the
fastest axis: every displacement is then a view of what was gathered, and a block stays in the cache through all of
its displacements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch.nn import functional as F

from .device import in_parts_that_fit
from .sampling import read_image

Tensor = torch.Tensor

OUTLIER = 4.0  # a squared feature difference beyond this says "no match", not "how far from one"
_CACHE_VALUES, _DEVICE_VALUES = 1 << 18, 1 << 26  # feature values compared at once


@dataclass(frozen=True, eq=False)
class LungCells:
    """Which of the n^3 cells of a cube hold any lung.

    Attributes:
        index: (M,) their numbers, z slowest.
        cell: voxels a side of a cell.
        size: voxels a side of the cube.
    """

    index: Tensor
    cell: int
    size: int

    @classmethod
    def of(cls, share: Tensor, cell: int, size: int) -> LungCells:
        """From the share of lung in every cell, (1, 1, n, n, n)."""
        return cls(share.flatten().nonzero()[:, 0], cell, size)

    def corners(self, margin: int = 0) -> Tensor:
        """(M,) number of the first voxel of each cell's box, in a cube padded by a margin."""
        n, side = self.size // self.cell, self.size + 2 * margin
        z, y, x = self.index // n**2, self.index // n % n, self.index % n
        return ((z * side + y) * side + x) * self.cell

    def box(self, margin: int = 0) -> Tensor:
        """((cell + 2 margin)^3,) numbers of the voxels of a cell's box from its first one, in a cube padded so."""
        side = self.size + 2 * margin
        axis = torch.arange(self.cell + 2 * margin, device=self.index.device)
        return ((axis[:, None, None] * side + axis[:, None]) * side + axis).flatten()

    def voxels_within(self, radius: int) -> Tensor:
        """(V, 3) indices of all voxels of the cube within the radius of one of the cells, or a little further."""
        n = self.size // self.cell
        near = torch.zeros(1, 1, n, n, n, device=self.index.device)
        near.view(-1)[self.index] = 1
        reach = -(-radius // self.cell)
        for axis in range(3):
            width, padding = [1, 1, 1], [0, 0, 0]
            width[axis], padding[axis] = 2 * reach + 1, reach
            near = F.max_pool3d(near, width, 1, padding)
        # The last voxels, where the size is no multiple of the cell, go with the cell before them.
        cell_of = (torch.arange(self.size, device=near.device) // self.cell).clamp(max=n - 1)
        for axis in (2, 3, 4):
            near = near.index_select(axis, cell_of)
        return near[0, 0].nonzero()


def matching_costs(fixed: Tensor, moving: Tensor, lungs: Tensor, cells: LungCells, radius: int) -> Tensor:
    """Mean over each cell of the squared feature difference inside the lungs, for every displacement.

    Args:
        fixed, moving: (1, C, S, S, S) features.
        lungs: (1, 1, S, S, S) share of lung of the fixed voxels.
        cells: the M cells to displace.
        radius: the largest of the displacements along each axis, voxels.

    Returns:
        (K, M), K = (2 radius + 1)^3 displacements, z slowest.
    """
    values, at_once = (_CACHE_VALUES, 1) if fixed.device.type == "cpu" else (_DEVICE_VALUES, 2 * radius + 1)
    return in_parts_that_fit(partial(_costs, fixed, moving, lungs, cells, radius, at_once), values, fixed.device)


def _costs(
    fixed: Tensor, moving: Tensor, lungs: Tensor, cells: LungCells, radius: int, at_once: int, values: int
) -> Tensor:
    """The same, so many feature values together; see `_displace` for `at_once`."""
    channels, cell, reach = fixed.shape[1], cells.cell, 2 * radius + 1
    fixed_rows, lung_row = fixed[0].flatten(1), lungs.flatten() / cell**3
    moving_rows = F.pad(moving, [radius] * 6)[0].flatten(1)
    box, patch = cells.box(), cells.box(radius)
    costs = fixed.new_empty(reach**3, len(cells.index))
    together = max(1, values // (channels * len(box) * at_once**2))
    starts = zip(*(part.split(together) for part in (cells.corners(), cells.corners(radius))))
    for block, (corner, padded_corner) in zip(costs.split(together, 1), starts):
        there = moving_rows.index_select(1, (patch[:, None] + padded_corner).flatten())
        here, weight = (rows[..., (box[:, None] + corner)] for rows in (fixed_rows, lung_row))
        side = cell + 2 * radius
        there, block = there.view(channels, side, side, side, -1), block.view(reach, reach, reach, -1)
        _displace(there, here, weight, block, at_once)
    return costs


def _displace(there: Tensor, here: Tensor, weight: Tensor, costs: Tensor, at_once: int) -> None:
    """Fill costs (R, R, R, M) of the displacements of M cells.

    Args:
        there: (C, p, p, p, M) moving features around each cell.
        here: (C, c^3, M) the fixed features of the cells.
        weight: (c^3, M).
        at_once: displacements along y, and along x, computed together: one keeps within a cache, all spare a device
            small kernels.
    """
    reach = len(costs)
    cell = there.shape[1] - reach + 1
    # (R, R, R, C, c, c, c, M): every displacement is a view.
    displaced = there.unfold(1, cell, 1).unfold(2, cell, 1).unfold(3, cell, 1).permute(1, 2, 3, 0, 5, 6, 7, 4)
    here, weight = here.unflatten(1, (cell,) * 3), weight.unflatten(0, (cell,) * 3)
    difference = here.new_empty(at_once, at_once, *here.shape)
    rows = difference.flatten(2, 5)
    for z, y, x in product(range(reach), range(0, reach, at_once), range(0, reach, at_once)):
        torch.sub(displaced[z, y : y + at_once, x : x + at_once], here, out=difference)
        difference.square_().clamp_(max=OUTLIER).mul_(weight)
        torch.sum(rows, 2, out=costs[z, y : y + at_once, x : x + at_once])


def seen_through(moving: Tensor, start: Tensor, cells: LungCells, radius: int) -> Tensor:
    """Moving features as seen through a displacement of the cube, within reach of the cells; elsewhere zero.

    What the displacement maps out of the cube has no features.

    Args:
        moving: (1, C, S, S, S).
        start: (1, 3, m, m, m) displacement over the cube, cube units.
    """
    voxels = cells.voxels_within(radius)
    number = (voxels[:, 0] * cells.size + voxels[:, 1]) * cells.size + voxels[:, 2]
    points = (voxels.to(moving.dtype) * (2 / (cells.size - 1)) - 1)[None]
    mapped = points + read_image(start, points)
    inside = mapped.abs().amax(-1, keepdim=True) <= 1
    seen = torch.zeros_like(moving)
    seen.view(1, moving.shape[1], -1)[:, :, number] = (read_image(moving, mapped) * inside).transpose(1, 2)
    return seen
