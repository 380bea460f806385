"""The search written plainly, in double precision and over the whole cube: what the quick one is held against."""

from itertools import product

import torch
from torch.nn import functional as F

from NePhiCore.lung_cells import OUTLIER
from NePhiCore.matching import COUPLINGS, EMPTY, TIE_BREAK, Stage, cell_centres
from NePhiCore.sampling import cube_grid, read_image

Tensor = torch.Tensor


def plain_match(fixed: Tensor, moving: Tensor, lungs: Tensor, stage: Stage, start: Tensor | None = None):
    """(coupled, best, cost) as in `Match`, from float64 tensors."""
    size = fixed.shape[2]
    share = F.avg_pool3d(lungs, stage.cell)
    base = torch.zeros(1, 3, *share.shape[2:], dtype=fixed.dtype)
    if start is not None:
        moving = plain_seen_through(moving, start)
        centres = cell_centres(size, stage.cell).to(fixed.dtype)
        base = read_image(start, centres).transpose(1, 2).reshape(base.shape)
    step = 2.0 / (size - 1)
    cost = plain_costs(fixed, moving, lungs, stage.cell, stage.radius)
    coupled, best = _couple(cost, share, _shifts(stage.radius).to(fixed.dtype), base / step)
    best = torch.where(share > EMPTY, best, coupled)
    return coupled * step, best * step, cost.amin(0)[None, None] / share.clamp(min=EMPTY)


def plain_costs(fixed: Tensor, moving: Tensor, lungs: Tensor, cell: int, radius: int) -> Tensor:
    """(K, n, n, n): every displacement of every cell."""
    size, padded = fixed.shape[2], F.pad(moving, [radius] * 6)
    costs = []
    for z, y, x in product(range(2 * radius + 1), repeat=3):
        shifted = padded[:, :, z : z + size, y : y + size, x : x + size]
        difference = (fixed - shifted).square().clamp(max=OUTLIER).sum(1, keepdim=True)
        costs.append(F.avg_pool3d(difference * lungs, cell)[0, 0])
    return torch.stack(costs)


def plain_seen_through(moving: Tensor, start: Tensor) -> Tensor:
    """The whole cube of moving features as seen through a displacement; what it maps out of the cube has none."""
    shape = moving.shape[2:]
    points = cube_grid(shape).to(moving.dtype).reshape(1, -1, 3)
    mapped = points + read_image(start, points)
    inside = (mapped.abs().amax(-1) <= 1).reshape(1, 1, *shape)
    return read_image(moving, mapped).transpose(1, 2).reshape(moving.shape) * inside


def _shifts(radius: int) -> Tensor:
    return torch.cartesian_prod(*[torch.arange(-radius, radius + 1)] * 3)


def _couple(cost: Tensor, share: Tensor, shifts: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    mean_share = share.mean()
    flat = cost.flatten(1) / mean_share + TIE_BREAK * shifts.square().sum(1)[:, None]
    best = base + shifts[flat.argmin(0)].T.reshape(base.shape)
    field = _neighbours_mean(best, share)
    for coupling in COUPLINGS:
        offset = (field - base).flatten(2)[0]
        square = (shifts[:, :, None] - offset).square().sum(1)
        chosen = (flat + coupling * square * share.flatten() / mean_share).argmin(0)
        field = _neighbours_mean(base + shifts[chosen].T.reshape(base.shape), share)
    return field, best


def _neighbours_mean(field: Tensor, share: Tensor) -> Tensor:
    weight = share + 1e-3
    sums = [F.avg_pool3d(F.pad(part, [1] * 6, mode="replicate"), 3, 1) for part in (field * weight, weight)]
    return sums[0] / sums[1]
