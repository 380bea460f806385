"""Random smooth deformations of the cube with their exact inverse: endless truth for the networks.

Every field is a sum of cubic B-splines of random coefficients at six scales, limited so
that it cannot fold. Lengths are in cube units: the cube [-1, 1]^3 is about 270 mm wide.
"""

from __future__ import annotations

from functools import cache

import torch

from NePhiCore.sampling import read_image

Tensor = torch.Tensor

OCTAVES = ((2, 0.16), (3, 0.16), (4, 0.13), (6, 0.075), (9, 0.035), (13, 0.014))  # control points, largest amplitude
FIELD_SIZE = 48
STEEPEST = 0.75  # largest norm of the displacement's gradient: below 1 the map is invertible


def random_fields(batch: int, generator: torch.Generator) -> Tensor:
    """(batch, 3, 48, 48, 48) displacement over the cube, (z, y, x), cube units, on the generator's device."""
    device = generator.device
    field = torch.zeros(batch, 3, FIELD_SIZE, FIELD_SIZE, FIELD_SIZE, device=device)
    for control, largest in OCTAVES:
        amplitude = torch.rand(batch, 1, 1, 1, 1, generator=generator, device=device) ** 1.5 * largest
        field += amplitude * _spline_noise(batch, control, generator)
    limit = (STEEPEST / _steepness(field)).clamp(max=1.0)
    return field * limit[:, None, None, None, None]


def inverse_at(field: Tensor, points_norm: Tensor, steps: int = 12) -> Tensor:
    """The inverse map at points (B, N, 3): p = y - u(p), iterated; the field contracts, so it converges."""
    source = points_norm
    for _ in range(steps):
        source = points_norm - read_image(field, source)
    return source


@cache
def _spline_basis(control: int, size: int) -> Tensor:
    """(size, control + 2) uniform cubic B-spline weights."""
    distance = (torch.linspace(0, control - 1, size)[:, None] - torch.arange(-1, control + 1)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, near, far)


def _spline_noise(batch: int, control: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(batch, 3, *(control + 2,) * 3, generator=generator, device=generator.device)
    basis = _spline_basis(control, FIELD_SIZE).to(generator.device)
    return 1.5 * torch.einsum("bczyx,Zz,Yy,Xx->bcZYX", noise, basis, basis, basis)


def _steepness(field: Tensor) -> Tensor:
    """(B,) near-maximum Frobenius norm of the gradient, from every second sample."""
    coarse = field[:, :, ::2, ::2, ::2]
    step, last = 4.0 / (FIELD_SIZE - 1), coarse.shape[2] - 1
    slopes = [coarse.diff(dim=d)[:, :, :last, :last, :last] / step for d in (2, 3, 4)]
    norm = torch.cat(slopes, 1).square().sum(1).sqrt()
    return 0.8 * norm.flatten(1).quantile(0.998, dim=1)
