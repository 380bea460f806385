"""Steps of an optimisation on a GPU, recorded once and repeated.

A step is some seven hundred small operations. Asking for each of them takes a GPU's host longer than the GPU needs for
all; a recorded step (a CUDA graph) is asked for at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import torch

Tensor = torch.Tensor
Work = Callable[[], Sequence[Tensor]]
_Snapshot = tuple[list[Tensor], list[Tensor]]  # of the state, and of the generators

WARM_UP = 2  # steps as they are, before one is recorded: libraries make their plans in them
CHECKED = 2  # repeated steps that must do what steps as they are do; the second shows whether points are drawn anew
# A GPU adds up in any order, so that no two steps are the same to the digit; other points change a loss by 1e-3.
LOSS_TOLERANCE = 1e-4  # of the loss
STATE_TOLERANCE = 1e-2  # of how far a tensor moved


class RecordedSteps:
    """A step that is recorded when it has been made twice with the same arguments, and then repeated.

    A recording is trusted once it has led where the step itself leads from the same state with the same random
    numbers. One that does not, or that cannot be made, is said in a warning, and the steps go on as they are.

    Args:
        step: operations on one device that never wait for it; returns tensors. The same memory is read and written
            each time.
        state: every tensor that a step changes.
        generators: every generator that a step draws from.
        record: makes the recording of a call: a `CudaRecorder` but in tests.
    """

    def __init__(
        self,
        step: Callable[..., Sequence[Tensor]],
        state: Sequence[Tensor],
        generators: Sequence[torch.Generator],
        record: Callable[[Work, Sequence[torch.Generator]], tuple[Callable[[], None], Sequence[Tensor]]],
    ) -> None:
        self._step, self._state, self._generators, self._record = step, list(state), list(generators), record
        self._arguments: tuple[object, ...] = ()
        self._made = 0
        self._repeat: Callable[[], Sequence[Tensor]] | None = None
        self._can_record = True

    def __call__(self, *arguments: object) -> Sequence[Tensor]:
        """One step; what it returns is overwritten by the next."""
        if len(arguments) != len(self._arguments) or any(a is not b for a, b in zip(arguments, self._arguments)):
            self._arguments, self._made, self._repeat = arguments, 0, None
        if self._repeat is None and self._can_record and self._made >= WARM_UP:
            self._repeat = self._checked_recording()
        self._made += 1
        return self._repeat() if self._repeat else self._step(*arguments)

    def _checked_recording(self) -> Callable[[], Sequence[Tensor]] | None:
        """Makes the step by repeating its recording; None where that cannot be trusted."""
        as_it_is = partial(self._step, *self._arguments)
        start = self._snapshot()
        try:
            replay, results = self._record(as_it_is, self._generators)

            def repeat() -> Sequence[Tensor]:
                replay()
                return results

            leads_alike = self._lead_alike(as_it_is, repeat, start)
        except RuntimeError as error:
            self._restore(start)
            self._go_on_without(f"could not be recorded ({str(error).splitlines()[0]})")
            return None
        if not leads_alike:
            self._go_on_without("led elsewhere when it was repeated")
            return None
        return repeat

    def _lead_alike(
        self, one: Callable[[], Sequence[Tensor]], other: Callable[[], Sequence[Tensor]], start: _Snapshot
    ) -> bool:
        (losses, states), (other_losses, other_states) = (self._outcome(way, start) for way in (one, other))
        self._restore(start)
        moved = [state - before for state, before in zip(states, start[0])]
        return _near(losses, other_losses, losses, LOSS_TOLERANCE) and _near(
            states, other_states, moved, STATE_TOLERANCE
        )

    def _outcome(self, way: Callable[[], Sequence[Tensor]], start: _Snapshot) -> tuple[list[Tensor], list[Tensor]]:
        """What a few steps from a state return, and the state after them."""
        self._restore(start)
        returned = [part.clone() for _ in range(CHECKED) for part in way()]
        return returned, self._snapshot()[0]

    def _go_on_without(self, reason: str) -> None:
        self._can_record = False
        del self._record  # and with it the memory of what it has recorded
        warnings.warn(f"A step of the optimisation {reason}. It goes on unrecorded, which is slower.", stacklevel=4)

    def _snapshot(self) -> _Snapshot:
        return [t.detach().clone() for t in self._state], [g.get_state() for g in self._generators]

    @torch.no_grad()
    def _restore(self, snapshot: _Snapshot) -> None:
        for tensor, value in zip(self._state, snapshot[0]):
            tensor.copy_(value)
        for generator, value in zip(self._generators, snapshot[1]):
            generator.set_state(value)


def _near(ones: Sequence[Tensor], others: Sequence[Tensor], sizes: Sequence[Tensor], share: float) -> bool:
    """Whether tensors differ by no more than a share of what `sizes` say."""
    apart = torch.stack([(one - other).norm() for one, other in zip(ones, others)])
    allowed = share * torch.stack([size.norm() for size in sizes]) + 1e-12
    return bool((apart <= allowed).all())


class CudaRecorder:
    """Records calls as CUDA graphs, on the current stream, which must not be the device's default one.

    Its graphs share one pool of memory: only the newest may be repeated. All are kept as long as it is: in torch 2.13
    a graph that is destroyed frees the work space of matrix products that the others of its stream write to (pytorch
    issue 193402).
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def __call__(
        self, work: Work, generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Sequence[Tensor]]:
        """Record a call.

        Returns:
            What makes the call once more, and what it returned: the same tensors are written each time.

        Raises:
            RuntimeError: the call waits for the device, or does something else that cannot be recorded.
        """
        drawn_from = [*generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        states = [generator.get_state() for generator in drawn_from]
        try:
            graph, results = self._recorded(work, generators)
        except BaseException:
            for generator, state in zip(drawn_from, states):
                _forget_the_recording(generator, state)
            raise
        self._graphs.append(graph)
        return graph.replay, results

    def _recorded(
        self, work: Work, generators: Sequence[torch.Generator]
    ) -> tuple[torch.cuda.CUDAGraph, Sequence[Tensor]]:
        graph = torch.cuda.CUDAGraph()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # later versions know by themselves which generators are drawn from
            for generator in generators:
                graph.register_generator_state(generator)
        torch.cuda.current_stream().synchronize()
        torch.cuda.empty_cache()  # memory cannot be given back while a recording is made
        graph.capture_begin(self._pool, capture_error_mode="thread_local")
        try:
            results = work()
        except BaseException:
            with suppress(RuntimeError):  # which says only that there was an error
                graph.capture_end()
            raise
        graph.capture_end()
        return graph, results


def _forget_the_recording(generator: torch.Generator, state: Tensor) -> None:
    """Before torch 2.13 a generator whose recording failed takes itself to be recorded for ever."""
    fresh = torch.Generator(generator.device)
    fresh.set_state(state)
    generator.graphsafe_set_state(fresh)
