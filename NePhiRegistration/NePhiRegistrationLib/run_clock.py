"""Where a run stands, in words: step, elapsed and remaining time."""

from __future__ import annotations

import time

_STEP_NAMES = {
    "starting": "Starting",
    "lungs": "Finding the lungs",
    "preparation": "Preparing the images",
    "encoding": "Matching and encoding",
    "optimisation": "Optimizing",
    "evaluation": "Computing the displacement fields",
    "quality": "Measuring the quality",
    "lung function": "Computing the lung function maps",
    "writing": "Writing the results",
    "loading": "Bringing the results into the scene",
    "done": "Done",
}
# Before this share of the run its speed says nothing about the rest.
_SHARE_TO_JUDGE = 0.05


class RunClock:
    """Measures a run and says how far it is.

    Args:
        iterations: of the optimization, for "step 34 of 150"; 0 where there is none.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._start = time.monotonic()
        self._step_text = ""
        self._first: tuple[float, float, int] | None = None  # seconds, share and iteration of the first one
        self._last: tuple[float, int] | None = None  # seconds and iteration of the latest one, while it optimises
        self._stopping_text = ""
        self.step, self.share = "", 0.0

    def update(self, progress) -> None:
        """Take a `NePhiCore.progress.Progress`."""
        self.step, self.share = step_in_words(progress), progress.share
        self._step_text, self._last = self.step, None
        if progress.iteration is not None:
            self._step_text += f": step {progress.iteration + 1} of {self._iterations}"
            self._last = self.seconds, progress.iteration
            self._first = self._first or (self.seconds, progress.share, progress.iteration)

    def stop_early(self, words: str) -> None:
        """Say this, and no rest of the run, from now on."""
        self._stopping_text = words

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def text(self) -> str:
        """Two short lines: one would be cut in a narrow panel."""
        step = self._stopping_text or self._step_text or _STEP_NAMES["starting"]
        is_known = _SHARE_TO_JUDGE <= self.share < 1 and not self._stopping_text
        left = self._seconds_left() if is_known else None
        rest = "" if left is None else f" · about {minutes(left)} left"
        return f"{step}\n{minutes(self.seconds)} elapsed{rest}"

    def _seconds_left(self) -> float | None:
        """None before there is anything to judge by.

        Each step of the run has a fixed share of it, whatever the number of iterations: these are judged by their own
        pace, the rest by the pace of what came before them.
        """
        if self._first is None:
            return None if self._iterations else self.seconds * (1 - self.share) / self.share
        first_seconds, first_share, first_iteration = self._first
        a_share = first_seconds / max(first_share, _SHARE_TO_JUDGE)
        if self._last is None:
            return a_share * (1 - self.share)
        seconds, iteration = self._last
        if iteration == first_iteration:
            return self.seconds * (1 - self.share) / self.share
        left = (self._iterations - 1 - iteration) / (iteration - first_iteration)
        return (seconds - first_seconds) * left + a_share * (1 - self.share - (self.share - first_share) * left)


def step_in_words(progress) -> str:
    """What a `NePhiCore.progress.Progress` is about."""
    return _STEP_NAMES.get(progress.step, progress.step)


def minutes(seconds: float) -> str:
    """75 s as "1:15"."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    start = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{start}:{rest % 60:02d}"
