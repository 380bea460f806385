"""Train the encoder's U-Net and the two coordinate networks.

    python -m training.train --pairs pairs/ --minutes 60 --out run.pt [--resume run.pt]

Every step reads simulated pairs (`make_pairs`) and random smooth motions (`synthetic_matches`)
in turn, and lowers the distance between the mapped and the true points in both directions,
the inconsistency of the two maps, and the latent prior (eq. 7). The truth is known, so images are not
compared at all; they are in the matches.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from NePhiCore.losses import latent_prior
from NePhiCore.model import ModelConfig, NePhiModel, map_points

from .pair_files import PairFiles
from .synthetic_matches import Batch, synthetic_batch

Tensor = torch.Tensor

MM = 135.0  # millimetres in one cube unit, roughly: for the printed lines only
CODE_NOISE = 0.03
CONSISTENCY_WEIGHT, PRIOR_WEIGHT = 0.3, 1e-4


@dataclass
class Errors:
    """Means of one step, millimetres."""

    points: Tensor
    round_trip: Tensor


def losses(model: NePhiModel, batch: Batch, low_precision: bool) -> tuple[Tensor, Errors]:
    """The training loss of one batch, and what to print."""
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):  # halves the time of the convolutions
        code = model.encoder.code_from_matches(batch.matches)
    code = code.map(Tensor.float)
    noisy = code.map(lambda part: part + CODE_NOISE * torch.randn_like(part))
    networks = model.fixed_to_moving, model.moving_to_fixed
    distances, trips = [], []
    for network, other, points, truth in zip(networks, networks[::-1], batch.points, batch.truth):
        mapped = map_points(network, points, noisy)
        distances.append((mapped - points - truth).norm(dim=-1))
        some = mapped[:, ::4]
        trips.append((map_points(other, some, noisy) - points[:, ::4]).norm(dim=-1))
    distance, trip = torch.cat(distances).mean(), torch.cat(trips).mean()
    total = distance + CONSISTENCY_WEIGHT * trip + PRIOR_WEIGHT * latent_prior(code)
    in_lungs = torch.cat(distances)[:, batch.points[0].shape[1] // 4 :]
    return total, Errors(in_lungs.mean().detach() * MM, trip.detach() * MM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of make_pairs; random motions alone where it is left out")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="weights to go on from")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--points", type=int, default=2048)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--synthetic-share", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    model = NePhiModel(ModelConfig())
    if options.resume:
        model.load_state_dict(torch.load(options.resume, weights_only=True)["model"])
    files = PairFiles(options.pairs) if options.pairs else None
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    optimiser = torch.optim.Adam(model.parameters(), lr=options.rate, betas=(0.9, 0.98))
    start, step, saved, running = time.time(), 0, time.time(), {}
    while (share := (time.time() - start) / (60 * options.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 100) * (0.5 * (1 + math.cos(math.pi * share)) + 0.005)
        synthetic = files is None or float(torch.rand((), generator=generator)) < options.synthetic_share
        if synthetic:
            batch = synthetic_batch(options.batch, options.points, model.encoder.matches_size, generator)
        else:
            batch = files.batch(options.batch, options.points, generator)
        total, errors = losses(model, batch, low_precision=True)
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(model)
        for name, value in (("points", errors.points), ("round trip", errors.round_trip)):
            key = f"{'random' if synthetic else 'breathing'} {name}"
            running[key] = 0.97 * running.get(key, float(value)) + 0.03 * float(value)
        if step % 100 == 0:
            words = "  ".join(f"{name} {value:.2f} mm" for name, value in sorted(running.items()))
            print(f"{step:6d} {time.time() - start:6.0f} s  {words}", flush=True)
            if files:
                files.refresh()
        if time.time() - saved > 120:
            saved = time.time()
            save(options, model, average.module, step)
        step += 1
    save(options, model, average.module, step)


def save(options: argparse.Namespace, model: NePhiModel, average: NePhiModel, step: int) -> None:
    words = {name: value if isinstance(value, (int, float)) else str(value) for name, value in vars(options).items()}
    whole = options.out.with_suffix(".part")
    content = {"model": average.state_dict(), "raw": model.state_dict(), "step": step, "options": words}
    torch.save(content, whole)
    whole.rename(options.out)


if __name__ == "__main__":
    main()
