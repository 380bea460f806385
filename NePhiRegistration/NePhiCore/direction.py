"""The loss of one direction: points of one image taken to the other, compared there, and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .comparison import SIMILARITY_TABLE
from .losses import correlation_loss, difference_stencil, frobenius, gradient_on_stencil
from .sampling import only_once, read_image
from .scales import ScaledPair
from .settings import RegistrationSettings

Tensor = torch.Tensor
PointMap = Callable[[Tensor], Tensor]

DIFFERENCE_STEP = 0.02  # cube units, about two millimetres: the scale at which folds are counted
SMALLEST_DETERMINANT = 0.15  # below this the fold barrier acts
FOLD_WEIGHT, ROUND_TRIP_WEIGHT = 10.0, 5.0
MATCH_PRECISION = 0.03  # cube units, about four millimetres: the unit of the distance from the matches
TISSUE_POINTS = 0.15  # of as many as are drawn in the lungs


class Direction:
    """Half of NePhi's loss (arXiv 2309.07322v1, eq. 10, its prior apart): the other half is that of the way back.

    Args:
        settings: weights, similarity, sampling ratios.
        voxels: what the sampling ratios are a share of.
        matched: displacements over the image that the direction starts from, (1, 3, n, n, n), cube units; or None.
        generator: of the points that are drawn, on the device of the images.
    """

    def __init__(
        self, settings: RegistrationSettings, voxels: int, matched: Tensor | None, generator: torch.Generator
    ) -> None:
        self._settings, self._matched, self._generator = settings, matched, generator
        self._similarity = SIMILARITY_TABLE[settings.similarity]
        self._points = max(64, round(settings.similarity_sampling_ratio * voxels))
        self._regularity_points = max(8, round(settings.regularity_sampling_ratio * voxels))

    def loss(
        self,
        there: PointMap,
        back: PointMap,
        pair: ScaledPair,
        strictness: Tensor | float = 1.0,
        guidance: Tensor | float | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Similarity, regularity and the whole loss: scalars.

        Args:
            there: the map of this direction, points (1, N, 3) of its cube to points of the other.
            back: the map of the other.
            pair: the image that the direction starts from, as fixed, and the one that it leads to.
            strictness: factor on the weight of the regularity.
            guidance: weight of the distance to the encoder's matches; None leaves them out.
        """
        settings = self._settings
        tissue = pair.tissue if settings.enclosed_tissue_weight > 0 else None
        points, stencil, tissue_points = drawn = self._draw(pair, tissue)
        # One call: networks and code are read once for all that is asked of them.
        mapped, on_stencil, mapped_tissue = there(torch.cat(drawn, 1)).split([part.shape[1] for part in drawn], 1)
        similarity = self._similarity.loss(pair.fixed.read(points), pair.moving.read(mapped)) / 2
        regularity, barrier = self._regularity(stencil, on_stencil, back)
        weight = settings.regularity_weight * strictness * self._similarity.noise(2 * similarity.detach())
        total = similarity + weight * regularity + barrier
        if self._matched is not None and guidance is not None:
            matched = points + read_image(self._matched, points)
            total = total + guidance * distance_from_matches(mapped, matched)
        if tissue:
            unlike = correlation_loss(tissue.fixed.read(tissue_points), tissue.moving.read(mapped_tissue)) / 2
            total = total + settings.enclosed_tissue_weight * unlike
        return similarity, regularity, total

    def _draw(self, pair: ScaledPair, tissue: ScaledPair | None) -> tuple[Tensor, Tensor, Tensor]:
        """Points to compare, the stencil of the regulariser, and points of the enclosed tissue; none where unasked."""
        points = pair.fixed.draw(self._points, self._generator)
        stencil = tissue_points = points[:, :0]
        if self._settings.regularity != "none":
            around = pair.fixed.draw_for_regularity(self._regularity_points, self._generator)
            stencil = difference_stencil(around, DIFFERENCE_STEP)
        if tissue:
            tissue_points = tissue.fixed.draw(max(64, round(TISSUE_POINTS * self._points)), self._generator)
        return points, stencil, tissue_points

    def _regularity(self, stencil: Tensor, mapped: Tensor, back: PointMap) -> tuple[Tensor, Tensor]:
        """The chosen regulariser, and the barrier that keeps the map from folding."""
        if self._settings.regularity == "none":
            nothing = stencil.new_zeros(())
            return nothing, nothing
        gradient = gradient_on_stencil(mapped.unflatten(1, (4, -1)), DIFFERENCE_STEP)
        barrier = FOLD_WEIGHT * fold_barrier(gradient)
        if self._settings.regularity == "diffusion":
            return frobenius(gradient - torch.eye(3, device=gradient.device)), barrier
        residual = (back(mapped) - stencil).unflatten(1, (4, -1))
        round_trip = ROUND_TRIP_WEIGHT * residual[:, 0].square().sum(-1).mean()
        return frobenius(gradient_on_stencil(residual, DIFFERENCE_STEP)), barrier + round_trip


def fold_barrier(gradient: Tensor) -> Tensor:
    """Mean of relu(d_min - det)^2 over maps' gradients (B, N, 3, 3): nothing while det J is healthy. Scalar.

    Once differentiable.
    """
    barrier: Callable[..., Tensor] = _FoldBarrier.apply
    return barrier(gradient)


class _FoldBarrier(torch.autograd.Function):
    """Written out: the derivative of a determinant is the matrix of its cofactors."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor) -> Tensor:
        cofactors = torch.linalg.cross(gradient.roll(-1, -2), gradient.roll(-2, -2))
        determinant = (gradient[..., 0, :] * cofactors[..., 0, :]).sum(-1)
        lacking = (SMALLEST_DETERMINANT - determinant).clamp_(min=0)
        ctx.save_for_backward(cofactors, lacking)
        barrier: Tensor = lacking.square().mean()
        return barrier

    @staticmethod
    def backward(ctx: Any, of_barrier: Tensor) -> Tensor:
        only_once()
        cofactors, lacking = ctx.saved_tensors
        of_gradient: Tensor = cofactors * (lacking * (-2 / lacking.numel() * of_barrier))[..., None, None]
        return of_gradient


def distance_from_matches(points_norm: Tensor, matched_norm: Tensor) -> Tensor:
    """Mean distance in units of MATCH_PRECISION, smooth near zero: a match far off pulls no harder than a near one."""
    square = (points_norm - matched_norm).square().sum(-1)
    return (square / MATCH_PRECISION**2 + 1e-3).sqrt().mean()
