"""Instance optimisation: refine the code of one pair, and if asked the coordinate networks with it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

import torch

from .adam import Adam
from .coordinate_network import CoordinateNetwork
from .device_streams import two_at_once
from .direction import Direction
from .errors import OptimisationDivergedError
from .latent_code import LatentCode, RefinedCode
from .losses import latent_prior
from .model import map_points
from .recorded_steps import CudaRecorder, RecordedSteps
from .scales import Scale, ScaledPair, schedule
from .settings import RegistrationSettings
from .side_by_side import Calls
from .weight_average import WeightAverage

Tensor = torch.Tensor

AVERAGED_SHARE = 0.25  # of all iterations, the last ones: the result is the mean over them
CHECK_EVERY = 10  # steps between looks at the loss: each look makes the device wait


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
    if settings.iterations == 0 or settings.optimise == "none":
        return Optimised(maps, LossTrace())
    device = maps.code.local_code.device
    with two_at_once(device) as make_all:
        run = _Run(maps, settings, pairs, matched, make_all)
        try:
            return _optimised(run, pairs, on_step, is_cancelled, on_look)
        finally:
            run.let_go()


def _optimised(
    run: _Run,
    pairs: list[ScaledPair],
    on_step: Callable[[int, float], None],
    is_cancelled: Callable[[], bool],
    on_look: Callable[[Callable[[], Maps]], None],
) -> Optimised:
    trace, best, iterations = LossTrace(), None, run.settings.iterations
    for iteration, (scale, pair) in enumerate(schedule(pairs, iterations)):
        similarity, regularity, total = run.step(iteration, scale, pair)
        if iteration >= (1 - AVERAGED_SHARE) * iterations:
            run.average.add()
        last = iteration == iterations - 1
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
                best = _Best(scale, trace.total[-1], run.state())
            if is_cancelled() and not last:
                run.go_back(best.state)
                return Optimised(run.maps(), trace, cancelled=True)
    run.average.apply()
    return Optimised(run.maps(), trace)


@dataclass(frozen=True, eq=False)
class _Best:
    """The lowest loss seen at a scale (losses of two scales cannot be compared), and the state one step after it."""

    scale: Scale
    loss: float
    state: list[Tensor]


class _Run:
    """The state of one optimisation: what is refined, Adam, random numbers."""

    def __init__(
        self,
        maps: Maps,
        settings: RegistrationSettings,
        pairs: list[ScaledPair],
        matched: tuple[Tensor, Tensor] | None,
        make_all: Calls,
    ) -> None:
        self.settings = settings
        self.make_all = make_all
        self.refined = RefinedCode(maps.code)
        self.networks = [maps.fixed_to_moving, maps.moving_to_fixed]
        self.parameters: list[torch.nn.Parameter] = []
        if settings.optimise == "all":
            self.networks = [copy.deepcopy(network).requires_grad_(True) for network in self.networks]
            self.parameters = [p for network in self.networks for p in network.parameters()]
        rates = settings.latent_learning_rate, settings.network_learning_rate
        self.adam = Adam(list(zip((self.refined.tensors(), self.parameters), rates)), betas=(0.9, 0.98))
        self._changed = [*self.refined.tensors(), *self.parameters]
        self.average = WeightAverage(self._changed)
        voxels, device = len(pairs[-1].fixed.candidates_norm), maps.code.local_code.device
        generators = [torch.Generator(device).manual_seed(seed) for seed in _seeds(settings.seed)]
        self.directions = [
            Direction(settings, voxels, towards, generator)
            for towards, generator in zip(matched or (None, None), generators)
        ]
        self._scale: Scale | None = None
        # On the device, so that a recorded step follows them.
        self._strictness, self._guidance = torch.ones((), device=device), torch.zeros((), device=device)
        self._work: Callable[..., Sequence[Tensor]] = self._lower
        if _can_record(device):
            self._work = RecordedSteps(self._lower, self.adam.state(), generators, CudaRecorder())

    def maps(self) -> Maps:
        """A copy of the present state; networks that are not optimised are the caller's own."""
        networks = self.networks
        if self.settings.optimise == "all":
            networks = [copy.deepcopy(network).requires_grad_(False) for network in networks]
        fixed_to_moving, moving_to_fixed = networks
        return Maps(fixed_to_moving, moving_to_fixed, self.refined.code().frozen())

    def state(self) -> list[Tensor]:
        """A copy of all that steps change, Adam's means apart."""
        return [tensor.detach().clone() for tensor in self._changed]

    @torch.no_grad()
    def go_back(self, state: list[Tensor]) -> None:
        """To a state that was copied."""
        for tensor, value in zip(self._changed, state):
            tensor.copy_(value)

    def step(self, iteration: int, scale: Scale, pair: ScaledPair) -> Sequence[Tensor]:
        """One step of Adam; returns similarity, regularity and the whole loss."""
        self.adam.next_step(_rate(iteration / self.settings.iterations, iteration))
        if scale is not self._scale:
            self._scale = scale
            self._strictness.fill_(scale.regularity)
            self._guidance.fill_(scale.guidance)
        return self._work(pair, scale.guidance > 0)

    def let_go(self) -> None:
        """Free what the steps hold, recordings too: it is in a circle that nothing else would soon break."""
        del self._work

    def _lower(self, pair: ScaledPair, is_guided: bool) -> Sequence[Tensor]:
        """What a step does on the device; never waits for it.

        Each direction is differentiated by itself, up to the code that both share.
        """
        code = self.refined.code()
        shared = code.map(lambda part: part.detach().requires_grad_(True))
        pairs = pair, pair.turned()
        values, gradients = zip(
            *self.make_all(*(partial(self._of, *way, shared, is_guided) for way in enumerate(pairs)))
        )
        of_global, of_local, *of_networks = map(_sum, zip(*gradients))
        prior = self.settings.prior_weight * latent_prior(code)
        of_code = torch.autograd.grad(
            [prior, *code.tensors()], self.refined.tensors(), [torch.ones_like(prior), of_global, of_local]
        )
        self.adam.move([*of_code, *of_networks])
        similarity, regularity, total = (torch.stack(parts).sum() for parts in zip(*values))
        return similarity, regularity, total + prior.detach()

    def _of(
        self, way: int, pair: ScaledPair, code: LatentCode, is_guided: bool
    ) -> tuple[list[Tensor], tuple[Tensor | None, ...]]:
        """The losses of one direction, and the gradient of their sum: of the code, then of each parameter."""
        there, back = (partial(map_points, self.networks[which], code=code) for which in (way, 1 - way))
        guidance = self._guidance if is_guided else None
        losses = self.directions[way].loss(there, back, pair, self._strictness, guidance)
        leaves = [*code.tensors(), *self.parameters]
        gradient = torch.autograd.grad(losses[-1], leaves, allow_unused=True)
        return [loss.detach() for loss in losses], gradient


def _can_record(device: torch.device) -> bool:
    return device.type == "cuda"


def _sum(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return reduce(torch.add, there) if there else None


def _seeds(seed: int) -> list[int]:
    """A seed for each direction: together they draw other points."""
    return torch.randint(2**62, (2,), generator=torch.Generator("cpu").manual_seed(seed), device="cpu").tolist()


def _rate(share: float, iteration: int) -> float:
    """Warm up over ten steps, then fall as a cosine to a twentieth."""
    return min(1.0, (iteration + 1) / 10) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
