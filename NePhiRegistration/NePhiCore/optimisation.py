"""Instance optimisation: refine the code of one pair, and if asked the coordinate networks with it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from .adam import Adam
from .comparison import SIMILARITY_TABLE, ComparedImage
from .coordinate_network import CoordinateNetwork
from .errors import OptimisationDivergedError
from .latent_code import LatentCode, RefinedCode
from .losses import correlation_loss, difference_stencil, frobenius, gradient_on_stencil, latent_prior
from .model import map_points
from .sampling import read_image
from .scales import Scale, ScaledPair, schedule
from .settings import RegistrationSettings
from .weight_average import WeightAverage

Tensor = torch.Tensor

DIFFERENCE_STEP = 0.02  # cube units, about two millimetres: the scale at which folds are counted
SMALLEST_DETERMINANT = 0.15  # below this the fold barrier acts
FOLD_WEIGHT, ROUND_TRIP_WEIGHT = 10.0, 5.0
MATCH_PRECISION = 0.03  # cube units, about four millimetres: the unit of the distance from the matches
TISSUE_POINTS = 0.15  # of as many as are drawn in the lungs
AVERAGED_SHARE = 0.25  # of all iterations, the last ones: the result is the mean over them
CHECK_EVERY = 10  # steps between looks at the loss: each look makes the device wait


_Direction = tuple[ComparedImage, ComparedImage, Callable[[Tensor], Tensor]]


@dataclass(frozen=True, eq=False)
class Maps:
    """Both maps of one pair in cube units: networks and the code they share."""

    fixed_to_moving: CoordinateNetwork
    moving_to_fixed: CoordinateNetwork
    code: LatentCode


@dataclass
class LossTrace:
    """What the optimisation did, an entry a look."""

    iteration: list[int] = field(default_factory=list)
    similarity: list[float] = field(default_factory=list)
    regularity: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)

    def add(self, iteration: int, similarity: float, regularity: float, total: float) -> None:
        self.iteration.append(iteration)
        self.similarity.append(similarity)
        self.regularity.append(regularity)
        self.total.append(total)


@dataclass(frozen=True, eq=False)
class Optimised:
    """Outcome of an optimisation; `cancelled` says that it was stopped before its last iteration."""

    maps: Maps
    trace: LossTrace
    cancelled: bool = False


@torch.enable_grad()
def optimise(
    maps: Maps,
    pairs: list[ScaledPair],
    settings: RegistrationSettings,
    on_step: Callable[[int, float], None] = lambda iteration, loss: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    matched: tuple[Tensor, Tensor] | None = None,
    on_look: Callable[[Callable[[], Maps]], None] = lambda present_maps: None,
) -> Optimised:
    """Lower NePhi's loss (arXiv 2309.07322v1, eq. 10) for one pair.

    With ``settings.optimise == "latent"`` the networks stay as they are, bit for bit; with
    "all" copies of them are refined with the code. Zero iterations return the input.

    Args:
        maps: the start; never changed.
        pairs: what `scaled_pairs` returns.
        on_step: told the iteration and loss now and then.
        is_cancelled: asked now and then; when it says yes, the state with the lowest loss at the scale
            then reached is returned.
        matched: displacements over the fixed and the moving cube, (1, 3, n, n, n), that the coarse
            scale is drawn towards; see `matched_displacements`.
        on_look: given, now and then, a function that copies the present maps.

    Raises:
        OptimisationDivergedError: the loss became NaN or infinite.
    """
    trace = LossTrace()
    if settings.iterations == 0 or settings.optimise == "none":
        return Optimised(maps, trace)
    run = _Run(maps, settings, pairs, matched)
    best = None
    for iteration, (scale, pair) in enumerate(schedule(pairs, settings.iterations)):
        similarity, regularity, total = run.step(iteration, scale, pair)
        if iteration >= (1 - AVERAGED_SHARE) * settings.iterations:
            run.average.add()
        last = iteration == settings.iterations - 1
        if iteration % CHECK_EVERY == 0 or last:
            trace.add(iteration, float(similarity), float(regularity), float(total))
            if not math.isfinite(trace.total[-1]):
                raise OptimisationDivergedError(
                    f"The optimisation diverged at iteration {iteration} (loss {trace.total[-1]}). Lower the learning "
                    "rates, or use --preset fast.",
                    trace,
                )
            on_step(iteration, trace.total[-1])
            on_look(run.maps)
            if best is None or best.scale is not scale or trace.total[-1] < best.loss:
                best = _Best(scale, trace.total[-1], run.maps())
            if is_cancelled() and not last:
                return Optimised(best.maps, trace, cancelled=True)
    run.average.apply()
    return Optimised(run.maps(), trace)


@dataclass(frozen=True, eq=False)
class _Best:
    """The lowest loss seen at a scale (losses of two scales cannot be compared), and the maps one step after it."""

    scale: Scale
    loss: float
    maps: Maps


class _Run:
    """The state of one optimisation: what is refined, Adam, random numbers."""

    def __init__(
        self,
        maps: Maps,
        settings: RegistrationSettings,
        pairs: list[ScaledPair],
        matched: tuple[Tensor, Tensor] | None,
    ) -> None:
        self.settings = settings
        self.matched = matched
        self.refined = RefinedCode(maps.code)
        self.code = self.refined.code()
        self.networks = [maps.fixed_to_moving, maps.moving_to_fixed]
        groups: list[dict[str, Any]] = [{"params": self.refined.tensors(), "base_rate": settings.latent_learning_rate}]
        if settings.optimise == "all":
            self.networks = [copy.deepcopy(network).requires_grad_(True) for network in self.networks]
            parameters = [p for network in self.networks for p in network.parameters()]
            groups.append({"params": parameters, "base_rate": settings.network_learning_rate})
        self.adam = Adam(groups, lr=0.0, betas=(0.9, 0.98))
        self.average = WeightAverage([parameter for group in groups for parameter in group["params"]])
        device = self.code.local_code.device
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.loss = SIMILARITY_TABLE[settings.similarity].loss
        voxels = len(pairs[-1].fixed.candidates_norm)
        self.similarity_points = max(64, round(settings.similarity_sampling_ratio * voxels))
        self.regularity_points = max(8, round(settings.regularity_sampling_ratio * voxels))

    def maps(self) -> Maps:
        """A copy of the present state; networks that are not optimised are the caller's own."""
        networks = self.networks
        if self.settings.optimise == "all":
            networks = [copy.deepcopy(network).requires_grad_(False) for network in networks]
        fixed_to_moving, moving_to_fixed = networks
        return Maps(fixed_to_moving, moving_to_fixed, self.refined.code().frozen())

    def step(self, iteration: int, scale: Scale, pair: ScaledPair) -> tuple[Tensor, Tensor, Tensor]:
        """One step of Adam; returns similarity, regularity and the whole loss."""
        rate = _rate(iteration / self.settings.iterations, iteration)
        for group in self.adam.param_groups:
            group["lr"] = group["base_rate"] * rate
        self.code = self.refined.code()
        similarity, guidance = self._data_terms(pair, scale.guidance)
        regularity, barrier = self._regularity(pair)
        total = similarity + guidance + self.settings.regularity_weight * scale.regularity * regularity + barrier
        if pair.tissue and self.settings.enclosed_tissue_weight > 0:
            total = total + self.settings.enclosed_tissue_weight * self._tissue_term(pair.tissue)
        total = total + self.settings.prior_weight * latent_prior(self.code)
        self.adam.zero_grad(set_to_none=True)
        total.backward()
        self.adam.step()
        return similarity.detach(), regularity.detach(), total.detach()

    def _fixed_to_moving(self, points_norm: Tensor) -> Tensor:
        return map_points(self.networks[0], points_norm, self.code)

    def _moving_to_fixed(self, points_norm: Tensor) -> Tensor:
        return map_points(self.networks[1], points_norm, self.code)

    def _data_terms(self, pair: ScaledPair, guidance_weight: float) -> tuple[Tensor, Tensor]:
        """Similarity and guidance; both directions, each over points of its own image, halved."""
        similarity = guidance = torch.zeros((), device=self.generator.device)
        for side, (start, end, point_map) in enumerate(self._directions(pair)):
            points = start.draw(self.similarity_points, self.generator)
            mapped = point_map(points)
            similarity = similarity + self.loss(start.read(points), end.read(mapped)) / 2
            if self.matched and guidance_weight > 0:
                matched = points + read_image(self.matched[side], points)
                guidance = guidance + guidance_weight * distance_from_matches(mapped, matched)
        return similarity, guidance

    def _tissue_term(self, tissue: ScaledPair) -> Tensor:
        """How unlike the enclosed tissue is, both directions halved."""
        unlike = torch.zeros((), device=self.generator.device)
        for start, end, point_map in self._directions(tissue):
            points = start.draw(max(64, round(TISSUE_POINTS * self.similarity_points)), self.generator)
            unlike = unlike + correlation_loss(start.read(points), end.read(point_map(points))) / 2
        return unlike

    def _directions(self, pair: ScaledPair) -> tuple[_Direction, _Direction]:
        """Where points are drawn, where they are taken to, and the map that takes them; forth and back."""
        return (
            (pair.fixed, pair.moving, self._fixed_to_moving),
            (pair.moving, pair.fixed, self._moving_to_fixed),
        )

    def _regularity(self, pair: ScaledPair) -> tuple[Tensor, Tensor]:
        """The chosen regulariser over both orders of the maps, and the barrier that keeps them from folding."""
        regularity = barrier = torch.zeros((), device=self.generator.device)
        if self.settings.regularity == "none":
            return regularity, barrier
        orders = (
            (self._fixed_to_moving, self._moving_to_fixed, pair.fixed),
            (self._moving_to_fixed, self._fixed_to_moving, pair.moving),
        )
        for inner, outer, image in orders:
            points = image.draw_for_regularity(self.regularity_points, self.generator)
            stencil = difference_stencil(points, DIFFERENCE_STEP)
            mapped = inner(stencil)
            gradient = gradient_on_stencil(mapped.unflatten(1, (4, -1)), DIFFERENCE_STEP)
            barrier = barrier + FOLD_WEIGHT * fold_barrier(gradient)
            if self.settings.regularity == "diffusion":
                regularity = regularity + frobenius(gradient - torch.eye(3, device=gradient.device))
                continue
            residual = (outer(mapped) - stencil).unflatten(1, (4, -1))
            regularity = regularity + frobenius(gradient_on_stencil(residual, DIFFERENCE_STEP))
            barrier = barrier + ROUND_TRIP_WEIGHT * residual[:, 0].square().sum(-1).mean()
        return regularity, barrier


def fold_barrier(gradient: Tensor) -> Tensor:
    """Mean of relu(d_min - det)^2 over maps' gradients (B, N, 3, 3): nothing while det J is healthy. Scalar."""
    a, b, c = gradient.unbind(-2)
    determinant = (a * torch.linalg.cross(b, c)).sum(-1)
    barrier: Tensor = (SMALLEST_DETERMINANT - determinant).clamp(min=0).square().mean()
    return barrier


def distance_from_matches(points_norm: Tensor, matched_norm: Tensor) -> Tensor:
    """Mean distance in units of MATCH_PRECISION, smooth near zero: a match far off pulls no harder than a near one."""
    square = (points_norm - matched_norm).square().sum(-1)
    return (square / MATCH_PRECISION**2 + 1e-3).sqrt().mean()


def _rate(share: float, iteration: int) -> float:
    """Warm up over ten steps, then fall as a cosine to a twentieth."""
    return min(1.0, (iteration + 1) / 10) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
