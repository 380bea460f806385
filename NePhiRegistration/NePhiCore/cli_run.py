"""One run of the command: its clock, its progress and whether it shall stop. Standard library only."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import RegistrationCancelled
from .interruption import StopSign
from .progress import Progress, ProgressCallback

# Share of the run at which each step of the command begins; what lies between is the registration's own.
_BEGINS = {"starting": 0.0, "phantom": 0.02, "reading": 0.02, "quality": 0.86, "lung function": 0.88, "writing": 0.9}
_REGISTRATION = (0.1, _BEGINS["quality"])


class Run:
    """What the steps of a command share.

    Attributes:
        keep_partial: an interrupt ends the optimisation, not the run.
        say: tells the user a line at once, also one who wants no progress.
        seconds_by_step: wall time of each step so far.
        was_interrupted: an interrupt came before the outputs were in place.
        failed: names of what could not be done, where the rest was done all the same.
    """

    def __init__(
        self,
        display: ProgressCallback,
        interruption: StopSign,
        keep_partial: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.keep_partial = keep_partial
        self.say = say
        self.seconds_by_step: dict[str, float] = {}
        self.was_interrupted = False
        self.failed: list[str] = []
        self._display = display
        self._interruption = interruption
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time since the command began."""
        return time.perf_counter() - self._start

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce and time a step.

        Raises:
            RegistrationCancelled: the user stopped the run, before the step or during it.
        """
        self.stop_if_interrupted()
        self._display(Progress(name, _BEGINS[name]))
        start = time.perf_counter()
        yield
        self.seconds_by_step[name] = self.seconds_by_step.get(name, 0.0) + time.perf_counter() - start
        self.stop_if_interrupted()

    def show(self, words: str, share: float) -> None:
        """Tell how far a command of many cases is; raises RegistrationCancelled as `step` does."""
        self.stop_if_interrupted()
        self._display(Progress(words, share))

    def tell(self, message: Progress) -> None:
        """Take a message of the registration; raises RegistrationCancelled as `step` does."""
        self.stop_if_interrupted()
        if message.step == "done":  # the registration is; the run goes on
            return
        begin, end = _REGISTRATION
        share = begin + message.share * (end - begin)
        self._display(Progress(message.step, share, message.iteration, message.loss))

    def part(self, name: str, number: int, count: int) -> Run:
        """One of several equal parts (number 0 to count - 1): its own clock, and its share of this run's progress."""

        def display(message: Progress) -> None:
            share = (number + message.share) / count
            self._display(dataclasses.replace(message, step=f"{name}, {message.step}", share=share))

        return Run(display, self._interruption)

    def is_interrupted(self) -> bool:
        """The user asked to stop."""
        return self._interruption.happened

    def stop_if_interrupted(self) -> None:
        """Raise RegistrationCancelled where the user asked to stop and wants no partial result."""
        self.was_interrupted = self.is_interrupted()
        if self.was_interrupted and not self.keep_partial:
            raise RegistrationCancelled("Nothing was written (with --keep-partial it is the best result so far).")
