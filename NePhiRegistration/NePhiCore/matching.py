"""A discrete search for where each part of the fixed lungs went: the encoder's eyes.

Breathing moves the lung base by several times the width of a vessel. No gradient
finds its way over that distance, a search does. Cells of the fixed image are compared
with every displaced cell of the moving image, and neighbouring cells are made to agree
by alternating between the best match near the neighbours' mean and that mean itself
(coupled convex optimisation, Steinbruecker et al. 2009; for lungs Siebert et al. 2021).
Only cells that hold lung are compared: a quarter of the cube.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.nn import functional as F

from .axis_products import along_axes, linear_weights
from .lung_cells import LungCells, matching_costs, seen_through
from .sampling import cube_grid, read_image

Tensor = torch.Tensor

COUPLINGS = (0.001, 0.003, 0.01, 0.03, 0.1)  # rising weight of agreement with the neighbours
TIE_BREAK = 1e-6
EMPTY = 0.05  # a cell with less lung than this has nothing to match


@dataclass(frozen=True)
class Stage:
    """One search of the coarse-to-fine sequence.

    Attributes:
        resolution: samples a side, as a share of the full cube's.
        cell: voxels a side of a cell, at this resolution.
        radius: how far to search along each axis, voxels at this resolution.
    """

    resolution: float
    cell: int
    radius: int


# Together they reach 50 voxels of the full cube to each side, a third of its width.
STAGES = (Stage(0.25, 4, 6), Stage(0.25, 2, 4), Stage(0.5, 4, 3), Stage(0.5, 2, 2), Stage(0.75, 3, 2), Stage(1.0, 2, 1))


@dataclass(frozen=True, eq=False)
class Level:
    """One image at one resolution.

    Attributes:
        features: (1, C, S, S, S) over the cube.
        lungs: (1, 1, S, S, S) share of lung.
    """

    features: Tensor
    lungs: Tensor


@dataclass(frozen=True, eq=False)
class Match:
    """Where the cells of one image lie in the other.

    Attributes:
        coupled: (1, 3, n, n, n) displacement of each cell in (z, y, x), cube units, neighbours agreeing.
        best: (1, 3, n, n, n) displacement with the lowest cost, each cell on its own.
        cost: (1, 1, n, n, n) that lowest cost, mean squared feature difference.
        lungs: (1, 1, n, n, n) share of lung in each cell.
        cell: voxels a side of a cell.
        size: voxels a side of the cube at the resolution of the search.
    """

    coupled: Tensor
    best: Tensor
    cost: Tensor
    lungs: Tensor
    cell: int
    size: int

    def at(self, grid: Tensor, points_norm: Tensor) -> Tensor:
        """One of the fields above, (1, C, n, n, n), read at points (1, N, 3) of the cube -> (1, N, C)."""
        position = (points_norm + 1) / 2 * (self.size - 1)
        cell_index = (position - (self.cell - 1) / 2) / self.cell
        return read_image(grid, cell_index / (grid.shape[2] - 1) * 2 - 1)

    def resampled(self, grid: Tensor, size: int) -> Tensor:
        """One of the fields above on a regular grid that fills the cube, (1, C, size, size, size)."""
        points = cube_grid((size,) * 3, grid.device).reshape(1, -1, 3)
        return self.at(grid, points).transpose(1, 2).reshape(1, -1, size, size, size)


def search(fixed: Mapping[float, Level], moving: Mapping[float, Level], start: Tensor | None = None) -> Match:
    """Every stage in turn, each around what the one before has found.

    Args:
        fixed, moving: the images at every resolution that a stage names.
        start: as in `match`.
    """
    for stage in STAGES:
        here = fixed[stage.resolution]
        found = match(here.features, moving[stage.resolution].features, here.lungs, stage, start)
        start = found.resampled(found.coupled, found.coupled.shape[2])
    return found


def match(fixed: Tensor, moving: Tensor, lungs: Tensor, stage: Stage, start: Tensor | None = None) -> Match:
    """Search the moving features for each cell of the fixed ones.

    Args:
        fixed, moving: (1, C, S, S, S) features over the two cubes.
        lungs: (1, 1, S, S, S) share of lung in the fixed cube; nothing else is compared.
        stage: its cell and radius; where S is no multiple of the cell the last voxels are left out.
        start: (1, 3, m, m, m) displacement over the cube to search around, cube units.
    """
    size = fixed.shape[2]
    share = F.avg_pool3d(lungs, stage.cell)
    cells = LungCells.of(share, stage.cell, size)
    base = torch.zeros(1, 3, *share.shape[2:], device=fixed.device)
    if start is not None:
        moving = seen_through(moving, start, cells, stage.radius)
        base = read_image(start, cell_centres(size, stage.cell, fixed.device)).transpose(1, 2).reshape(base.shape)
    shifts_voxels = _shifts(stage.radius, fixed.device)
    cost = matching_costs(fixed, moving, lungs, cells, stage.radius)
    step = 2.0 / (size - 1)
    coupled, best = _couple(cost, share, cells.index, shifts_voxels, base / step)
    best = torch.where(share > EMPTY, best, coupled)
    lowest = torch.zeros_like(share)
    lowest.view(-1)[cells.index] = cost.amin(0)
    return Match(coupled * step, best * step, lowest / share.clamp(min=EMPTY), share, stage.cell, size)


def resized(grid: Tensor, share: float) -> Tensor:
    """Fewer samples along each axis, corner on corner, so that cube coordinates stay what they are."""
    if share == 1:
        return grid
    old = grid.shape[2]
    weights = linear_weights(torch.linspace(0, old - 1, round(old * share), device=grid.device), old)
    if share <= 0.5:  # else samples that lie between would be passed over
        weights = weights @ _mean_of_three(old, grid.device)
    return along_axes(grid, [weights] * 3)


def _mean_of_three(size: int, device: torch.device) -> Tensor:
    """(size, size) mean of each sample and those of its two neighbours that there are."""
    near = _near(size)
    return (near / near.sum(1, keepdim=True)).to(device)


def _near(size: int) -> Tensor:
    """(size, size) bool: the same sample, or the next one on either side."""
    place = torch.arange(size)
    return (place[:, None] - place).abs() <= 1


def cell_centres(size: int, cell: int, device: torch.device | str = "cpu") -> Tensor:
    """(1, n^3, 3) centres of the cells in the cube."""
    axis = (torch.arange(size // cell, device=device) * cell + (cell - 1) / 2) / (size - 1) * 2 - 1
    return torch.cartesian_prod(axis, axis, axis)[None]


def _shifts(radius: int, device: torch.device) -> Tensor:
    """(K, 3) every whole-voxel displacement within the radius, (z, y, x)."""
    axis = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    return torch.cartesian_prod(axis, axis, axis)


def _couple(cost: Tensor, share: Tensor, held: Tensor, shifts: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """Make neighbouring cells agree. All in voxels.

    Args:
        cost: (K, M) of every displacement for the cells that hold lung; the others stay at their base.
        share: (1, 1, n, n, n) of lung in each cell.
        held: (M,) index of the cells that hold lung.
        shifts: (K, 3).
        base: (1, 3, n, n, n) what each cell's shifts start from.

    Returns:
        Coupled and best displacement, (1, 3, n, n, n) each.
    """
    mean_share = share.mean().clamp(min=1e-6)
    # Where there is nothing to compare all displacements cost the same: prefer the one found so far.
    cost = torch.add(shifts.square().sum(1)[:, None] * TIE_BREAK, cost / mean_share)
    held_base = base.flatten(2)[0][:, held]

    def displaced(chosen: Tensor) -> Tensor:
        field = base.clone()
        field.view(1, 3, -1)[0, :, held] = held_base + shifts[chosen].T
        return field

    best = displaced(cost.min(0).indices)
    agreed = neighbours_mean(share)
    field = agreed(best)
    for coupling in COUPLINGS:
        # |shift - offset|^2 but for |offset|^2, which is the same for all shifts, as one product a cell.
        weight = coupling * share.flatten()[held] / mean_share
        offset = field.flatten(2)[0][:, held] - held_base
        terms = torch.cat([shifts.square().sum(1, keepdim=True), -2 * shifts], 1)
        apart = torch.addmm(cost, terms, torch.cat([weight[None], weight * offset]))
        field = agreed(displaced(apart.min(0).indices))
    return field, best


def neighbours_mean(share: Tensor) -> Callable[[Tensor], Tensor]:
    """Makes a field's weighted mean over a cell and its 26 neighbours, lungs counting more than the rest."""
    weight = share + 1e-3
    to_sums = [_sum_of_three(size, share.device) for size in share.shape[2:]]
    around = along_axes(weight, to_sums)
    return lambda field: along_axes(field * weight, to_sums) / around


@lru_cache(maxsize=16)
def _sum_of_three(size: int, device: torch.device) -> Tensor:
    """(size, size) sum of each sample and its two neighbours, the outermost repeated."""
    sums = _near(size).float()
    sums[0, 0] += 1
    sums[-1, -1] += 1
    return sums.to(device)
