"""`python -m benchmarks.trained_motion`: how far the lungs move in what the model was trained on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from training.motions import random_motion

BOX_RAS_MM = np.array([[-135.0, -100.0, -130.0], [135.0, 100.0, 130.0]])
_CANDIDATES = 60_000
_POINTS = 6000
# Two ellipsoids in the unit cube stand for the lungs.
_CENTRE, _RADII = np.array([0.55, 0.0, 0.0]), np.array([0.42, 0.95, 0.98])


def lung_points() -> torch.Tensor:
    """(N, 3) RAS mm, all over two ellipsoids in the box."""
    points = np.random.default_rng(0).uniform(-1, 1, (_CANDIDATES, 3))
    is_lung = [(((points - side * _CENTRE) / _RADII) ** 2).sum(1) < 1 for side in (-1, 1)]
    return torch.from_numpy(points[is_lung[0] | is_lung[1]][:_POINTS] * BOX_RAS_MM[1])


def motion_figures(points: torch.Tensor, seed: int) -> list[list[float]]:
    """Offset, and mean, 95th percentile and maximum of the motion beside it, mm; exhale to inhale, and back."""
    motion = random_motion(BOX_RAS_MM, np.random.default_rng([5, seed]), torch.Generator().manual_seed(seed))
    figures = []
    for move in (motion.exhale_to_inhale, motion.inhale_to_exhale):
        displacement = (move(points) - points).numpy()
        offset = displacement.mean(0)
        beside = np.linalg.norm(displacement - offset, axis=1)
        figures.append([np.linalg.norm(offset), beside.mean(), np.percentile(beside, 95), beside.max()])
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trained_motion", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="motions")
    points, count = lung_points(), parser.parse_args(arguments).count
    figures = np.array([motion_figures(points, seed) for seed in range(count)])
    for direction, way in enumerate(("exhale to inhale", "inhale to exhale")):
        for figure, name in enumerate(("offset", "mean", "p95", "max")):
            shares = np.percentile(figures[:, direction, figure], (50, 90, 99, 100))
            print(f"{way} {name:>6}: median, 90 %, 99 %, largest {' '.join(f'{value:6.1f}' for value in shares)} mm")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
