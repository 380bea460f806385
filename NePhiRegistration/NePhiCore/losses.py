"""The terms of NePhi's loss, one function an equation (arXiv 2309.07322v1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .errors import SettingsError
from .latent_code import LatentCode
from .sampling import only_once

Tensor = torch.Tensor
PointMap = Callable[[Tensor], Tensor]


def correlation(fixed: Tensor, warped: Tensor) -> Tensor:
    """Normalised cross-correlation over the points, a value a channel. (B, N, C) twice -> (B, C).

    Once differentiable, in the warped values.
    """
    correlate: Callable[..., Tensor] = _Correlation.apply
    return correlate(fixed.detach(), warped)


class _Correlation(torch.autograd.Function):
    """Written out: a third of the operations that automatic differentiation calls for."""

    @staticmethod
    def forward(ctx: Any, fixed: Tensor, warped: Tensor) -> Tensor:
        fixed_variance, fixed_mean = torch.var_mean(fixed, 1, correction=0, keepdim=True)
        warped_variance, warped_mean = torch.var_mean(warped, 1, correction=0, keepdim=True)
        fixed = fixed - fixed_mean
        scale = (fixed_variance * warped_variance + 1e-10).rsqrt()
        found = (fixed * warped).mean(1, keepdim=True) * scale
        ctx.save_for_backward(fixed, warped, warped_mean, fixed_variance, scale, found)
        return found[:, 0]

    @staticmethod
    def backward(ctx: Any, of_found: Tensor) -> tuple[None, Tensor]:
        only_once()
        fixed, warped, warped_mean, fixed_variance, scale, found = ctx.saved_tensors
        each = of_found[:, None] * scale / fixed.shape[1]
        return None, fixed * each - (warped - warped_mean) * (each * found * scale * fixed_variance)


def squared_correlation_loss(fixed: Tensor, warped: Tensor) -> Tensor:
    """sim = 1 - NCC^2, mean over channels (eq. 8). Scalar in [0, 1]."""
    return (1 - correlation(fixed, warped).square()).mean()


def correlation_loss(fixed: Tensor, warped: Tensor) -> Tensor:
    """1 - NCC, mean over channels: unlike eq. 8 it tells bright from dark. Scalar in [0, 2]."""
    return (1 - correlation(fixed, warped)).mean()


def noise_at_correlation(loss: Tensor) -> Tensor:
    """(1 - rho^2) / rho at a loss 1 - rho, at most 1: what turns its slope into that of a likelihood.

    Two images that are jointly Gaussian with correlation rho share -log(1 - rho^2) / 2 of information a point, with the
    slope rho / (1 - rho^2). A loss of slope 1 weighs as much against a regulariser that is multiplied by the inverse.
    """
    correlation = (1 - loss).clamp(min=1e-3)
    return ((1 - correlation.square()) / correlation).clamp(max=1)


def squared_difference_loss(fixed: Tensor, warped: Tensor) -> Tensor:
    """Mean squared difference over points and channels, for features that are comparable as they are. Scalar."""
    return (fixed - warped).square().mean()


def latent_prior(code: LatentCode) -> Tensor:
    """Mean square of the latent code: a zero-mean Gaussian prior (eq. 7). Scalar."""
    return code.global_code.square().mean() + code.local_code.square().mean()


def inverse_consistency_gradient(outer: PointMap, inner: PointMap, points_norm: Tensor) -> Tensor:
    """E || d/dx [outer(inner(x)) - x] ||_F^2 by automatic differentiation: gradient inverse consistency (eq. 5).

    Exact, and twice as deep to differentiate: the reference for the finite differences below.

    Args:
        points_norm: (B, N, 3).

    Returns:
        Scalar; 0 when the maps undo each other up to a translation.
    """
    _check_points(points_norm)
    points = points_norm.detach().requires_grad_(True)
    residual = outer(inner(points)) - points
    rows = [torch.autograd.grad(residual[..., a].sum(), points, create_graph=True)[0] for a in range(3)]
    return torch.stack(rows, -2).square().sum((-1, -2)).mean()


def difference_stencil(points_norm: Tensor, step: float) -> Tensor:
    """(B, N, 3) -> (B, 4 N, 3): the points, then the points moved by `step` along each axis.

    Differences of maps over this stencil give gradients without double backward (ICON, Greer et al. 2021).
    """
    offsets = torch.zeros(4, 1, 3, dtype=points_norm.dtype, device=points_norm.device)
    offsets[1:, 0] = torch.eye(3, dtype=points_norm.dtype, device=points_norm.device) * step
    return (points_norm[:, None] + offsets).flatten(1, 2)


def gradient_on_stencil(values: Tensor, step: float) -> Tensor:
    """Values on a stencil (B, 4, N, 3) -> (B, N, 3, 3), [..., a, b] = d value_a / d x_b."""
    return ((values[:, 1:] - values[:, :1]) / step).permute(0, 2, 3, 1)


def frobenius(gradient: Tensor) -> Tensor:
    """E || gradient ||_F^2 of (B, N, 3, 3). Scalar."""
    return gradient.square().sum((-1, -2)).mean()


def _check_points(points_norm: Tensor) -> None:
    if points_norm.shape[1] == 0:
        raise SettingsError("Regularity needs at least one point; raise the regularity sampling ratio.")
