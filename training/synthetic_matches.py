"""Random smooth motions and matches as noisy as the real search gives, without any image: endless and cheap."""

from __future__ import annotations

import torch

from NePhiCore.encoder import SEARCH_SIZE
from NePhiCore.matching import neighbours_mean
from NePhiCore.sampling import cube_grid, read_image

from .batches import Batch, training_points
from .random_fields import inverse_at, random_fields

Tensor = torch.Tensor


class RandomMotions:
    """A source of training steps without any data."""

    def __init__(self, matches_size: int, points: int) -> None:
        self.matches_size, self.points = matches_size, points

    def batch(self, step: int, generators: list[torch.Generator]) -> Batch:
        return Batch.of([synthetic_batch(1, self.points, self.matches_size, g) for g in generators])


def synthetic_batch(size: int, points: int, matches_size: int, generator: torch.Generator) -> Batch:
    """`size` random motions with `points` points each."""
    field = random_fields(size, generator)
    lattice = cube_grid((matches_size,) * 3, generator.device).reshape(1, -1, 3).expand(size, -1, -1)

    def as_grid(values: Tensor) -> Tensor:
        return values.transpose(1, 2).reshape(size, -1, matches_size, matches_size, matches_size)

    fixed_lungs = _random_lungs(size, matches_size, generator)
    back_on_lattice = inverse_at(field, lattice)
    forth, back = as_grid(read_image(field, lattice)), as_grid(back_on_lattice - lattice)
    moving_lungs = as_grid(read_image(fixed_lungs, back_on_lattice))
    halves = [_noisy_matches(forth, fixed_lungs, generator), _noisy_matches(back, moving_lungs, generator)]
    matches = torch.cat(halves, 1)
    fixed_points, moving_points = (training_points(lungs, points, generator) for lungs in (fixed_lungs, moving_lungs))
    truth = read_image(field, fixed_points), inverse_at(field, moving_points) - moving_points
    return Batch(matches, (fixed_points, moving_points), truth)


def _random_lungs(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """(batch, 1, size, size, size) share of lung: two ellipsoids side by side, or one."""
    device = generator.device
    grid = cube_grid((size,) * 3, device)
    masks = []
    for _ in range(batch):
        r = torch.rand(12, generator=generator, device=device)
        if r[0] < 0.2:
            shapes = [(torch.zeros(3, device=device), 0.75 + 0.2 * r[1:4])]
        else:
            radii = torch.stack([0.75 + 0.2 * r[1:3], 0.65 + 0.3 * r[3:5], 0.32 + 0.13 * r[5:7]], 1)
            shapes = [
                (torch.tensor([0.0, 0.0, side * 0.47], device=device), radii[n]) for n, side in enumerate((-1, 1))
            ]
        inside = [1 - (((grid - centre) / radius).square().sum(-1)).sqrt() for centre, radius in shapes]
        masks.append((torch.stack(inside).amax(0) * 6 + 0.5).clamp(0, 1))
    return torch.stack(masks)[:, None]


def _noisy_matches(truth: Tensor, lungs: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 3, n, n, n) true displacement -> (B, HEAD_INPUTS / 2, n, n, n), in error as the search is."""
    batch, step = truth.shape[0], 2.0 / (SEARCH_SIZE - 1)
    source = {"generator": generator, "device": generator.device}

    def uniform(high: float) -> Tensor:
        return torch.rand(batch, 1, 1, 1, 1, **source) * high

    noise = torch.randn(truth.shape, **source)
    lost = (torch.rand(lungs.shape, **source) < 0.2 + uniform(0.5)).float()
    wild = (torch.rand(truth.shape, **source) * 2 - 1) * uniform(0.1)
    best = ((truth + noise * uniform(0.02) + lost * wild) / step).round() * step
    patches = torch.randn(batch, 3, 8, 8, 8, **source) * uniform(0.06) * (uniform(1) < 0.5)
    astray = torch.nn.functional.interpolate(patches, size=truth.shape[2:], mode="trilinear", align_corners=True)
    coupled = neighbours_mean(lungs)(truth + 0.25 * (best - truth) + astray)
    found = (lungs > 0.05).float()
    best = best * found + coupled * (1 - found)
    cost = (0.05 + uniform(0.6) + 0.1 * noise[:, :1] + lost * uniform(0.4)).clamp(min=0) * found
    return torch.cat([coupled * 5, best * 5, cost, lungs], 1)
