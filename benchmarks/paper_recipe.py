"""The published way to fit NePhi to a pair, in this project's code: what a speed-up is quoted against.

100 000 points a step from the whole box, similarity 1 - NCC of the image at one resolution, gradient inverse
consistency at 500 points by differentiating twice, Adam on code and networks (arXiv 2309.07322v1 and its published
configuration). It starts where the project's own optimisation starts: from the encoder.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import torch

from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.dense_evaluation import evaluate_map
from NePhiCore.device import choose_device
from NePhiCore.encoder import SEARCH_SIZE
from NePhiCore.features import intensity
from NePhiCore.image_io import read_volume
from NePhiCore.losses import correlation_loss, inverse_consistency_gradient, latent_prior
from NePhiCore.lung_mask import find_lungs
from NePhiCore.model import map_points
from NePhiCore.model_store import default_model_path
from NePhiCore.placement import place_pair
from NePhiCore.preprocessing import to_cube
from NePhiCore.sampling import read_image, uniform_points
from NePhiCore.transform_io import write_displacement

SIZE, POINTS, REGULARITY_POINTS = 175, 100_000, 500
RATE, REGULARITY_WEIGHT, PRIOR_WEIGHT = 1e-3, 10.0, 0.01
GRID_SPACING_MM = 3.0


def fit(networks, code, images, iterations: int) -> None:
    """Change networks and code in place.

    Args:
        networks: fixed to moving, moving to fixed.
        images: (1, 1, D, H, W) each, zero outside the lungs.
    """
    parts = code.tensors()
    adam = torch.optim.Adam([*parts, *(p for n in networks for p in n.parameters())], lr=RATE)
    generator = torch.Generator(parts[0].device).manual_seed(0)
    maps = [lambda points, n=n: map_points(n.plain, points, code) for n in networks]
    for _ in range(iterations):
        loss = PRIOR_WEIGHT * latent_prior(code)
        for start, point_map in enumerate(maps):
            points = uniform_points(POINTS, generator)
            seen = read_image(images[1 - start], point_map(points))
            loss = loss + correlation_loss(read_image(images[start], points), seen) / 2
            few = uniform_points(REGULARITY_POINTS, generator)
            gradient = inverse_consistency_gradient(maps[1 - start], point_map, few)
            loss = loss + REGULARITY_WEIGHT * gradient / 2
        adam.zero_grad()
        loss.backward()
        adam.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("fixed", "moving", "transform", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    volumes = read_volume(options.fixed, "fixed"), read_volume(options.moving, "moving")
    lungs = [find_lungs(volume) for volume in volumes]
    placement = place_pair(*volumes, *lungs, None)
    placed = list(zip(volumes, lungs, (placement.fixed_norm_to_ras, placement.moving_norm_to_ras)))
    model = load_checkpoint(default_model_path(), device).model
    code, _ = model.encode(*(to_cube(*parts, (SEARCH_SIZE,) * 3, device=device) for parts in placed))
    code = code.map(lambda part: part.clone().requires_grad_(True))
    networks = [copy.deepcopy(n).requires_grad_(True) for n in (model.fixed_to_moving, model.moving_to_fixed)]
    images = [intensity(to_cube(*parts, (SIZE,) * 3, device=device)) for parts in placed]
    start = time.perf_counter()
    fit(networks, code, images, options.iterations)
    if device.type == "cuda":
        torch.cuda.synchronize()
    options.report.write_text(json.dumps({"seconds_by_step": {"optimisation": time.perf_counter() - start}}))
    cubes = placement.fixed_norm_to_ras, placement.moving_norm_to_ras
    grid = volumes[0].geometry.with_spacing(GRID_SPACING_MM)
    write_displacement(options.transform, evaluate_map(networks[0], code, *cubes, grid))


if __name__ == "__main__":
    main()
