"""Accuracy against time, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .measurements import Measurement

_OURS, _THEIRS = "#1565c0", "#9aa0a6"


def plot_accuracy_against_time(path: Path, measurements: Sequence[Measurement]) -> None:
    """One point for each tool: mean over the pairs that it was measured on; nearer to the lower left is better.

    Needs matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for name, seconds, error_mm in mean_points(measurements):
        colour = _OURS if name.startswith("NePhi") else _THEIRS
        panel.scatter(seconds, error_mm, s=50, color=colour, zorder=3)
        panel.annotate(name, (seconds, error_mm), xytext=(6, 4), textcoords="offset points", color=colour)
    panel.set_xscale("log")
    panel.set_xlabel("seconds, whole command")
    panel.set_ylabel("mean landmark error, mm")
    panel.set_ylim(bottom=0)
    panel.grid(which="both", alpha=0.25)
    figure.savefig(path, dpi=130)


def mean_points(measurements: Sequence[Measurement]) -> list[tuple[str, float, float]]:
    """(name, mean seconds, mean error in mm) for every tool that registered all the pairs."""
    pairs = {m.pair for m in measurements}
    points = []
    for name in dict.fromkeys(m.name for m in measurements):
        own = [m for m in measurements if m.name == name and m.failed is None and m.accuracy]
        if {m.pair for m in own} == pairs:
            seconds, errors = ([f(m) for m in own] for f in (_seconds, _error_mm))
            points.append((name, sum(seconds) / len(own), sum(errors) / len(own)))
    return points


def _seconds(m: Measurement) -> float:
    return m.seconds


def _error_mm(m: Measurement) -> float:
    return m.accuracy["tre_mean_mm"]
