"""The terms of NePhi's loss, one function an equation (arXiv 2309.07322v1)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .errors import SettingsError
from .latent_code import LatentCode

Tensor = torch.Tensor
PointMap = Callable[[Tensor], Tensor]


def correlation(fixed: Tensor, warped: Tensor) -> Tensor:
    """Normalised cross-correlation over the points, a value a channel. (B, N, C) twice -> (B, C)."""
    fixed = fixed - fixed.mean(1, keepdim=True)
    warped = warped - warped.mean(1, keepdim=True)
    covariance = (fixed * warped).mean(1)
    return covariance / (fixed.square().mean(1) * warped.square().mean(1) + 1e-10).sqrt()


def squared_correlation_loss(fixed: Tensor, warped: Tensor) -> Tensor:
    """sim = 1 - NCC^2, mean over channels (eq. 8). Scalar in [0, 1]."""
    return (1 - correlation(fixed, warped).square()).mean()


def correlation_loss(fixed: Tensor, warped: Tensor) -> Tensor:
    """1 - NCC, mean over channels: unlike eq. 8 it tells bright from dark. Scalar in [0, 2]."""
    return (1 - correlation(fixed, warped)).mean()


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
