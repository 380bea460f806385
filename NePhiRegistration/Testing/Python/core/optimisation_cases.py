"""A small pair with known motion, tiny random maps, and measures of them without chance, for tests of optimisation."""

import dataclasses

import numpy as np
import torch
from scipy import ndimage

from NePhiCore.comparison import SIMILARITY_TABLE
from NePhiCore.latent_code import LatentCode
from NePhiCore.losses import difference_stencil, frobenius, gradient_on_stencil, inverse_consistency_gradient
from NePhiCore.model import ModelConfig, NePhiModel, map_points
from NePhiCore.optimisation import Maps
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid, read_image
from NePhiCore.scales import ScaledPair, scaled_pairs
from NePhiCore.settings import RegistrationSettings

SIDE = 20
CONFIG = ModelConfig(4, 4, 5, width=16, frequencies=8, frequency_scale=0.3, encoder_width=8)
SETTINGS = RegistrationSettings(
    iterations=30,
    latent_learning_rate=0.03,
    network_learning_rate=0.003,
    similarity_sampling_ratio=0.2,
    regularity_sampling_ratio=0.05,
    device="cpu",
)


def settings(**changes) -> RegistrationSettings:
    return dataclasses.replace(SETTINGS, **changes)


def start(output=0.03, seed=0) -> Maps:
    """Frozen random networks that move points by some hundredths of the cube, and a random code."""
    torch.manual_seed(seed)
    model = NePhiModel(CONFIG).requires_grad_(False)
    for network in (model.fixed_to_moving, model.moving_to_fixed):
        torch.nn.init.normal_(network.output.weight, std=output)
    code = LatentCode(torch.randn(1, 4) * 0.3, torch.randn(1, 4, 5, 5, 5) * 0.3)
    return Maps(model.fixed_to_moving, model.moving_to_fixed, code)


def two_cubes() -> tuple[CubeImage, CubeImage]:
    """Texture in a ball of lung, and the same seen through a smooth motion of up to 0.12 cube units."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(SIDE,) * 3), 1.5)
    image = torch.tensor((noise - noise.min()) / np.ptp(noise), dtype=torch.float32)[None, None]
    points = cube_grid((SIDE,) * 3)
    lungs = (points.square().sum(-1) < 0.7**2).float()[None, None]
    motion = 0.12 * torch.cos(points) * torch.tensor([1.0, -0.5, 0.3])
    moved = [read_image(part, (points + motion).reshape(1, -1, 3)).reshape(part.shape) for part in (image, lungs)]
    return CubeImage(image, lungs, np.eye(4)), CubeImage(*moved, np.eye(4))


def pairs_for(similarity="local_ncc") -> list[ScaledPair]:
    cubes = two_cubes()
    return scaled_pairs(lambda spacing_mm: cubes, similarity)


def both_ways(maps: Maps):
    return [
        lambda points, network=network: map_points(network.plain, points, maps.code)
        for network in (maps.fixed_to_moving, maps.moving_to_fixed)
    ]


def similarity_of(maps: Maps, pair: ScaledPair, name="local_ncc") -> float:
    """The data term over every voxel of both lungs: no chance in it."""
    forth, back = both_ways(maps)
    loss = SIMILARITY_TABLE[name].loss
    fixed, moving = pair.fixed.candidates_norm[None], pair.moving.candidates_norm[None]
    there = loss(pair.fixed.read(fixed), pair.moving.read(forth(fixed)))
    return float(there + loss(pair.moving.read(moving), pair.fixed.read(back(moving)))) / 2


def fixed_points() -> torch.Tensor:
    return cube_grid((7, 7, 7)).reshape(1, -1, 3) * 0.9


def regularity_of(maps: Maps, name: str) -> float:
    """The regulariser over a lattice of points, inverse consistency by automatic differentiation (eq. 5)."""
    forth, back = both_ways(maps)
    if name == "gradient_inverse_consistency":
        orders = (forth, back), (back, forth)
        return sum(float(inverse_consistency_gradient(*order, fixed_points()).detach()) for order in orders)
    gradients = [jacobian(a) - torch.eye(3) for a in (forth, back)]
    return float(sum(frobenius(gradient) for gradient in gradients))


def jacobian(mapping) -> torch.Tensor:
    """(1, N, 3, 3) over the lattice of points."""
    values = mapping(difference_stencil(fixed_points(), 0.01)).unflatten(1, (4, -1))
    return gradient_on_stencil(values, 0.01)


def folded_share(maps: Maps) -> float:
    return float(torch.stack([torch.linalg.det(jacobian(a)) <= 0 for a in both_ways(maps)]).float().mean())


def weights(maps: Maps) -> list[torch.Tensor]:
    networks = maps.fixed_to_moving, maps.moving_to_fixed
    return [tensor.clone() for network in networks for tensor in network.state_dict().values()]


def parts(maps: Maps) -> list[torch.Tensor]:
    return [*weights(maps), *(tensor.clone() for tensor in maps.code.tensors())]


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def a_constant(displacement) -> torch.Tensor:
    """(1, 3, n, n, n) the same displacement over the whole cube."""
    return torch.tensor(displacement).reshape(1, 3, 1, 1, 1).expand(1, 3, 4, 4, 4)


def mean_displacements(maps: Maps, pair: ScaledPair) -> torch.Tensor:
    """(2, 3) of each map over the lungs of its own image."""
    candidates = (image.candidates_norm[None] for image in (pair.fixed, pair.moving))
    means = [(mapping(points) - points)[0].mean(0) for mapping, points in zip(both_ways(maps), candidates)]
    return torch.stack(means).detach()
