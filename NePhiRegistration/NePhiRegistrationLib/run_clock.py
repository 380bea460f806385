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
    "writing": "Writing the results",
    "loading": "Bringing the results into the scene",
    "done": "Done",
}
# Before this share of the run its speed says nothing about the rest.
_SHARE_TO_JUDGE = 0.05


class RunClock:
    """Measures a run and says how far it is.

    Args:
        iterations: of the optimization, for "step 34 of 150".
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._start = time.monotonic()
        self._step_text = ""
        self.step, self.share = "", 0.0

    def update(self, progress) -> None:
        """Take a `NePhiCore.progress.Progress`."""
        self.step, self.share = step_in_words(progress), progress.share
        self._step_text = self.step
        if progress.iteration is not None:
            self._step_text += f": step {progress.iteration + 1} of {self._iterations}"

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def text(self) -> str:
        elapsed = self.seconds
        words = f"{self._step_text or _STEP_NAMES['starting']} · {minutes(elapsed)} elapsed"
        if _SHARE_TO_JUDGE <= self.share < 1:
            words += f" · about {minutes(elapsed * (1 - self.share) / self.share)} left"
        return words


def step_in_words(progress) -> str:
    """What a `NePhiCore.progress.Progress` is about."""
    return _STEP_NAMES.get(progress.step, progress.step)


def minutes(seconds: float) -> str:
    """75 s as "1:15"."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    start = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{start}:{rest % 60:02d}"
