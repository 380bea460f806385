"""Telling how far a registration is, and how long its steps took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Share of the whole run at which each step begins; only the progress bar depends on it.
STEPS = ("lungs", "preparation", "encoding", "optimisation", "evaluation", "done")
_BEGINS = {
    True: dict(zip(STEPS, (0.0, 0.08, 0.14, 0.2, 0.85, 1.0))),
    False: dict(zip(STEPS, (0.0, 0.2, 0.35, 0.6, 0.62, 1.0))),
}


@dataclass(frozen=True)
class Progress:
    """One message about a running registration.

    Attributes:
        step: one of STEPS.
        share: of the whole run done, [0, 1].
        iteration, loss: of the optimisation, where it runs.
    """

    step: str
    share: float
    iteration: int | None = None
    loss: float | None = None


ProgressCallback = Callable[[Progress], None]


class StepClock:
    """Reports progress and measures each step's seconds."""

    def __init__(self, report: ProgressCallback, optimises: bool) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report
        self._begins = _BEGINS[optimises]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.within(name, 0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def within(self, name: str, share: float, iteration: int | None = None, loss: float | None = None) -> None:
        """Report that a share (0 to 1) of one step is done."""
        begin, end = self._begins[name], self._begins[STEPS[STEPS.index(name) + 1]]
        self._report(Progress(name, begin + share * (end - begin), iteration, loss))

    def done(self) -> None:
        self._report(Progress("done", 1.0))
