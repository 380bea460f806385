"""What training lowers: the distance to the truth where there is one, NePhi's own loss where there is none."""

from __future__ import annotations

import torch
from torch import nn

from NePhiCore.comparison import ComparedImage
from NePhiCore.direction import DIFFERENCE_STEP, FOLD_WEIGHT, ROUND_TRIP_WEIGHT, fold_barrier
from NePhiCore.latent_code import LatentCode
from NePhiCore.losses import difference_stencil, frobenius, gradient_on_stencil, latent_prior
from NePhiCore.model import ModelConfig, NePhiModel, map_points
from NePhiCore.settings import RegistrationSettings

from .batches import COARSE, SIMILARITY, Batch, ImageBatch

Tensor = torch.Tensor

MM = 135.0  # millimetres in one cube unit, roughly: for what is printed and drawn only
CODE_NOISE = 0.03
CONSISTENCY_WEIGHT, PRIOR_WEIGHT = 0.6, 1e-4
REGULARITY_WEIGHT = RegistrationSettings().regularity_weight * COARSE.regularity
_TRIP_SHARE = 4  # the round trip is taken at every fourth point


class Objective(nn.Module):
    """The loss of a batch as a module, so that several processes can share it (DistributedDataParallel).

    Args:
        low_precision: the encoder's convolutions in bfloat16, which halves their time; coordinates never.
    """

    def __init__(self, model: NePhiModel, low_precision: bool) -> None:
        super().__init__()
        self.model, self.low_precision = model, low_precision

    def forward(self, batch: Batch | ImageBatch, noise: LatentCode) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and figures to watch.

        Args:
            noise: of deviation one, added to the code a little: near codes shall mean near maps.
        """
        with torch.autocast(batch.matches.device.type, torch.bfloat16, enabled=self.low_precision):
            code = self.model.encoder.code_from_matches(batch.matches)
        code = code.map(Tensor.float)
        noisy = LatentCode(*(c + CODE_NOISE * n for c, n in zip(code.tensors(), noise.tensors())))
        loss = supervised_loss if isinstance(batch, Batch) else image_loss
        total, figures = loss(self.model, noisy, batch)
        total = total + PRIOR_WEIGHT * latent_prior(code)
        return total, {name: value.detach() for name, value in figures.items()}


def code_noise(config: ModelConfig, generators: list[torch.Generator]) -> LatentCode:
    """Normal random numbers in the shape of the code, an item for each generator."""
    shapes = (config.global_channels,), (config.local_channels, *(config.local_size,) * 3)
    return LatentCode(
        *(torch.stack([torch.randn(shape, generator=g, device=g.device) for g in generators]) for shape in shapes)
    )


def supervised_loss(model: NePhiModel, code: LatentCode, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Distance to the truth and round trip, both directions."""
    networks = model.fixed_to_moving, model.moving_to_fixed
    distances, trips = [], []
    for network, other, points, truth in zip(networks, networks[::-1], batch.points, batch.truth):
        mapped = map_points(network, points, code)
        distances.append((mapped - points - truth).norm(dim=-1))
        back = map_points(other, mapped[:, ::_TRIP_SHARE], code)
        trips.append((back - points[:, ::_TRIP_SHARE]).norm(dim=-1))
    distance, trip = torch.cat(distances), torch.cat(trips).mean()
    in_lungs = distance[:, batch.points[0].shape[1] // 4 :].mean()
    return distance.mean() + CONSISTENCY_WEIGHT * trip, {
        "error in lungs, mm": in_lungs * MM,
        "round trip, mm": trip * MM,
    }


def image_loss(model: NePhiModel, code: LatentCode, batch: ImageBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Similarity and gradient inverse consistency, as in the optimisation of a pair (arXiv 2309.07322v1, eq. 10)."""
    networks = model.fixed_to_moving, model.moving_to_fixed
    similarity = regularity = barrier = torch.zeros((), device=batch.matches.device)
    for side, (network, other) in enumerate(zip(networks, networks[::-1])):
        points = batch.points[side]
        start = _read([pair[side] for pair in batch.images], points)
        end = _read([pair[1 - side] for pair in batch.images], map_points(network, points, code))
        similarity = similarity + SIMILARITY.loss(start, end) / 2
        stencil = difference_stencil(batch.regularity_points[side], DIFFERENCE_STEP)
        mapped = map_points(network, stencil, code)
        residual = (map_points(other, mapped, code) - stencil).unflatten(1, (4, -1))
        regularity = regularity + frobenius(gradient_on_stencil(residual, DIFFERENCE_STEP))
        gradient = gradient_on_stencil(mapped.unflatten(1, (4, -1)), DIFFERENCE_STEP)
        barrier = barrier + FOLD_WEIGHT * fold_barrier(gradient)
        barrier = barrier + ROUND_TRIP_WEIGHT * residual[:, 0].square().sum(-1).mean()
    total = similarity + REGULARITY_WEIGHT * regularity + barrier
    return total, {"similarity loss": similarity, "regularity loss": regularity}


def _read(images: list[ComparedImage], points: Tensor) -> Tensor:
    """(B, N, C): each image at its own points."""
    return torch.cat([image.read(points[n : n + 1]) for n, image in enumerate(images)])
