"""Several runs of one thing, and their medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Run:
    """One process from start to end.

    Attributes:
        seconds: wall time.
        cpu_seconds: user and system time of all threads; unlike wall time hardly changed by other work.
        peak_bytes: largest resident memory.
        steps: wall seconds of each step, where the process reports them.
        failed: what it said last, where it did not succeed.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    steps: Mapping[str, float] = field(default_factory=dict)
    failed: str | None = None


@dataclass(frozen=True)
class Measurement:
    """Medians over the runs of one thing on one pair, and the accuracy of the last of them.

    Attributes:
        name, pair: what was run, and on what.
        settings: anything that tells it from its neighbours in a table (preset, size, threads).
        runs: how many there were.
        spread: (slowest - fastest) / median of the wall time; large where something else ran beside.
        accuracy: see `accuracy.accuracy_of`; empty where nothing is known.
    """

    name: str
    pair: str
    settings: Mapping[str, object]
    runs: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    spread: float
    steps: Mapping[str, float] = field(default_factory=dict)
    accuracy: Mapping[str, float] = field(default_factory=dict)
    failed: str | None = None

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def summarised(
    name: str, pair: str, runs: Sequence[Run], settings: Mapping[str, object] | None = None, accuracy=None
) -> Measurement:
    """Medians of the runs that succeeded; of none, one that says why."""
    good = [run for run in runs if run.failed is None]
    settings, accuracy = dict(settings or {}), dict(accuracy or {})
    if not good:
        reason = runs[-1].failed if runs else "never run"
        return Measurement(name, pair, settings, 0, float("nan"), float("nan"), 0, float("nan"), failed=reason)
    seconds = [run.seconds for run in good]
    middle = statistics.median(seconds)
    return Measurement(
        name,
        pair,
        settings,
        len(good),
        middle,
        statistics.median(run.cpu_seconds for run in good),
        max(run.peak_bytes for run in good),
        (max(seconds) - min(seconds)) / middle,
        {step: statistics.median(run.steps[step] for run in good) for step in good[0].steps},
        accuracy,
    )


def growth(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Exponent p of seconds ~ value^p by least squares on logarithms: 0 is flat, 1 linear.

    Raises:
        ValueError: fewer than two different positive values.
    """
    x, y = [math.log(v) for v in values], [math.log(s) for s in seconds]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    if len(x) < 2 or spread == 0:
        raise ValueError(f"Growth needs two different values, got {list(values)}.")
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / spread
