"""Stage one: teach the networks the space of smooth motions, without any image.

Random smooth fields with exact inverses are turned into matches as noisy as the real
search gives; the encoder's U-Net must see through the noise, and the two coordinate
networks must give back the field and its inverse.

    python -m training.pretrain --minutes 60 --out pretrained.pt      (from the repository's root)
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch

from NePhiCore.encoder import HEAD_INPUTS, SEARCH_SIZE
from NePhiCore.losses import latent_prior
from NePhiCore.matching import _weighted_mean
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.sampling import cube_grid, read_image, uniform_points

from .random_fields import inverse_at, random_fields

Tensor = torch.Tensor

MM = 135.0  # millimetres in one cube unit, roughly: for the progress lines only


def random_lungs(batch: int, size: int, generator: torch.Generator) -> Tensor:
    """(batch, 1, size, size, size) share of lung: two ellipsoids side by side, or one."""
    grid = cube_grid((size,) * 3)
    masks = []
    for _ in range(batch):
        r = torch.rand(12, generator=generator)
        if r[0] < 0.2:
            shapes = [(torch.zeros(3), 0.75 + 0.2 * r[1:4])]
        else:
            radii = torch.stack([0.75 + 0.2 * r[1:3], 0.65 + 0.3 * r[3:5], 0.32 + 0.13 * r[5:7]], 1)
            shapes = [(torch.tensor([0.0, 0.0, side * 0.47]), radii[n]) for n, side in enumerate((-1, 1))]
        inside = [1 - (((grid - centre) / radius).square().sum(-1)).sqrt() for centre, radius in shapes]
        masks.append((torch.stack(inside).amax(0) * 6 + 0.5).clamp(0, 1))
    return torch.stack(masks)[:, None]


def noisy_matches(truth: Tensor, lungs: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 3, n, n, n) true displacement -> (B, HEAD_INPUTS / 2, n, n, n), in error as the search is."""
    batch = truth.shape[0]

    def uniform(high: float) -> Tensor:
        return torch.rand(batch, 1, 1, 1, 1, generator=generator) * high

    noise = torch.randn(truth.shape, generator=generator)
    step = 2.0 / (SEARCH_SIZE - 1)
    lost = (torch.rand(lungs.shape, generator=generator) < uniform(0.3)).float()
    wild = (torch.rand(truth.shape, generator=generator) * 2 - 1) * uniform(0.3)
    best = ((truth + noise * uniform(0.02) + lost * wild) / step).round() * step
    smooth = _weighted_mean(best * (1 - lost * 0.7) + truth * lost * 0.7, lungs)
    coupled = _weighted_mean(smooth, lungs) if torch.rand((), generator=generator) < 0.5 else smooth
    found = (lungs > 0.05).float()
    best = best * found + coupled * (1 - found)
    cost = (0.2 + uniform(1.2) + 0.2 * noise[:, :1] + lost * uniform(0.8)).clamp(min=0) * found
    return torch.cat([coupled * 5, best * 5, cost, lungs], 1)


def lung_points(lungs: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(B, count, 3) points, drawn from the cells that hold lung."""
    size = lungs.shape[2]
    cells = torch.multinomial((lungs > 0.3).flatten(1).float() + 1e-6, count, True, generator=generator)
    index = torch.stack([cells // size**2, cells // size % size, cells % size], -1)
    jitter = torch.rand(index.shape, generator=generator) - 0.5
    return ((index + jitter) / (size - 1) * 2 - 1).clamp(-1, 1)


def training_batch(batch: int, points: int, local_size: int, generator: torch.Generator):
    """Matches (B, HEAD_INPUTS, n, n, n); points of both cubes (B, N, 3) and their true displacements."""
    field = random_fields(batch, generator)
    lattice = cube_grid((local_size,) * 3).reshape(1, -1, 3).expand(batch, -1, -1)

    def as_grid(values: Tensor) -> Tensor:
        return values.transpose(1, 2).reshape(batch, -1, local_size, local_size, local_size)

    fixed_lungs = random_lungs(batch, local_size, generator)
    back_on_lattice = inverse_at(field, lattice)
    forth, back = as_grid(read_image(field, lattice)), as_grid(back_on_lattice - lattice)
    moving_lungs = as_grid(read_image(fixed_lungs, back_on_lattice))
    matches = torch.cat([noisy_matches(forth, fixed_lungs, generator), noisy_matches(back, moving_lungs, generator)], 1)
    assert matches.shape[1] == HEAD_INPUTS
    half = points // 2
    fixed_points, moving_points = (
        torch.cat([uniform_points(half, generator, batch), lung_points(lungs, half, generator)], 1)
        for lungs in (fixed_lungs, moving_lungs)
    )
    truth = read_image(field, fixed_points), inverse_at(field, moving_points) - moving_points
    return matches, (fixed_points, moving_points), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--points", type=int, default=2048)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    model = NePhiModel(ModelConfig())
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    optimiser = torch.optim.Adam(model.parameters(), lr=options.rate, betas=(0.9, 0.98))
    start, step, running, saved = time.time(), 0, None, time.time()
    while (share := (time.time() - start) / (60 * options.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 100) * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        matches, points, truth = training_batch(options.batch, options.points, model.config.local_size, generator)
        with torch.autocast("cpu", torch.bfloat16):  # halves the time of the convolutions; coordinates stay float32
            code = model.encoder.code_from_matches(matches)
        code = code.map(Tensor.float)
        noisy = code.map(lambda part: part + 0.03 * torch.randn_like(part))
        networks = model.fixed_to_moving, model.moving_to_fixed
        errors = [(net(p, noisy) - t).norm(dim=-1) for net, p, t in zip(networks, points, truth)]
        loss = torch.cat(errors).mean() + 1e-4 * latent_prior(code)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(model)
        error = torch.cat(errors).detach()[:, options.points // 2 :].mean().item() * MM
        running = error if running is None else 0.98 * running + 0.02 * error
        if step % 100 == 0:
            spread = code.local_code.std().item()
            print(f"{step:6d} {time.time() - start:6.0f} s  lungs {running:.3f} mm  code {spread:.2f}", flush=True)
        if time.time() - saved > 120 or share > 0.999:
            saved = time.time()
            torch.save({"model": average.module.state_dict(), "raw": model.state_dict(), "step": step}, options.out)
        step += 1
    torch.save({"model": average.module.state_dict(), "raw": model.state_dict(), "step": step}, options.out)


if __name__ == "__main__":
    main()
