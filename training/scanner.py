"""What scanners, diseases and imperfect masks make of an image: nothing of it moves anything."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from NePhiCore.features import gaussian_blur
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid

Tensor = torch.Tensor

_THICK_SHARE, _THICKEST_MM = 0.25, 8.0
_KERNEL_SHARE = 0.6


def as_scanned(cube: CubeImage, rng: np.random.Generator, generator: torch.Generator) -> CubeImage:
    """An ideal image -> one as it comes from a clinic, in [0, 1], and a mask as it comes from a program."""
    grid = cube_grid(tuple(cube.image.shape[2:]), cube.image.device)
    image = _with_disease(cube.image, cube.lungs, grid, rng)
    if rng.random() < _THICK_SHARE:
        image = _thick_slices(image, 2 * np.linalg.norm(cube.norm_to_ras[:3, 0]), rng.uniform(2.0, _THICKEST_MM))
    if rng.random() < _KERNEL_SHARE:
        image = _through_kernel(image, rng)
    image = image + float(rng.uniform(0, 0.06)) * _noise(image.shape, generator)
    return CubeImage(image.clamp(0, 1), _rough_mask(cube.lungs, grid, rng, generator), cube.norm_to_ras)


def _with_disease(image: Tensor, lungs: Tensor, grid: Tensor, rng: np.random.Generator) -> Tensor:
    """Denser towards the back, which is -y; consolidations and bullae."""
    image = image - lungs * grid[..., 1] * (0.5 * rng.uniform(-0.02, 0.08))
    for _ in range(rng.poisson(0.6)):
        centre, radius = _place(rng, 0.7, grid), rng.uniform(0.04, 0.2)
        blob = torch.exp(-((grid - centre).square().sum(-1)) / (2 * radius**2))
        image = image + lungs * blob * rng.uniform(-0.15, 0.5)
    return image


def _thick_slices(image: Tensor, height_mm: float, thickness_mm: float) -> Tensor:
    """Averaged over slices of this thickness, if they are thicker than the image's own, and resampled."""
    size = image.shape[2:]
    slices = min(size[0], max(8, round(height_mm / thickness_mm)))
    return F.interpolate(F.adaptive_avg_pool3d(image, (slices, *size[1:])), size=size, mode="trilinear")


def _through_kernel(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A soft kernel blurs, a sharp one overshoots at edges."""
    if rng.random() < 0.7:
        return gaussian_blur(image, float(rng.uniform(0.3, 1.3)))
    return image + float(rng.uniform(0.1, 0.6)) * (image - gaussian_blur(image, 1.2))


def _rough_mask(lungs: Tensor, grid: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    rough = F.interpolate(_noise((1, 1, 12, 12, 12), generator), size=lungs.shape[2:], mode="trilinear")
    lungs = (lungs + 0.2 * rng.random() * rough * (lungs > 0) * (lungs < 1)).clamp(0, 1)
    if rng.random() < 0.2:  # part of the lung is missed, as masks miss consolidations
        lungs = lungs * ((grid - _place(rng, 0.8, grid)).norm(dim=-1) > rng.uniform(0.1, 0.25))
    return lungs


def _place(rng: np.random.Generator, reach: float, like: Tensor) -> Tensor:
    return torch.from_numpy(rng.uniform(-reach, reach, 3)).to(like)


def _noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
