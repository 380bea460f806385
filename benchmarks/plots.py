"""Accuracy against time, and how time grows, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .measurements import Measurement

_OURS, _THEIRS = "#1565c0", "#9aa0a6"
_STEPS = {"encoding": "#90caf9", "optimisation": _OURS, "evaluation": "#0d2f5e"}
_REST = "#c9cdd2"


def plot_accuracy_against_time(path: Path, measurements: Sequence[Measurement]) -> None:
    """One point for each tool: mean over the pairs that it was measured on; nearer to the lower left is better.

    Needs matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    points = mean_points(measurements)
    slowest = max((seconds for name, seconds, _ in points if name.startswith("NePhi")), default=0.0)
    for name, seconds, error_mm in points:
        # The best lie close together: names of ours stand below their points, and to the left of all but the last.
        colour, place, side = _THEIRS, (4, 6), "left"
        if name.startswith("NePhi"):
            colour, place, side = (_OURS, (4, -13), "left") if seconds == slowest else (_OURS, (-4, -13), "right")
        panel.scatter(seconds, error_mm, s=50, color=colour, zorder=3)
        panel.annotate(name, (seconds, error_mm), xytext=place, textcoords="offset points", color=colour, ha=side)
    panel.set_xscale("log")
    panel.margins(0.3, 0.15)  # names reach beyond their points
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("seconds, whole command")
    panel.set_ylabel("mean landmark error, mm")
    panel.set_ylim(bottom=0)
    panel.grid(which="both", alpha=0.25)
    figure.savefig(path, dpi=130)


def plot_scaling(path: Path, scaling: Sequence[tuple[str, Measurement]]) -> None:
    """A panel for each quantity, a bar for each of its values: seconds by step, and above it the memory.

    Needs matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    good = [(quantity, m) for quantity, m in scaling if m.failed is None]
    quantities = list(dict.fromkeys(quantity for quantity, _ in good))
    figure = Figure((3 * len(quantities), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(quantities), sharey=True, squeeze=False)[0]
    for panel, quantity in zip(panels, quantities):
        for place, m in enumerate(m for q, m in good if q == quantity):
            below = 0.0
            steps = {name: m.steps.get(name, 0.0) for name in _STEPS}
            for name, seconds in {"the rest": m.seconds - sum(steps.values()), **steps}.items():
                panel.bar(place, seconds, 0.7, below, color=_STEPS.get(name, _REST), label=name)
                below += seconds
            panel.text(place, below, f"{m.peak_bytes / 1e9:.1f} GB\n", ha="center", va="center", fontsize=7)
        values = [f"{m.settings[quantity]:g}" for q, m in good if q == quantity]
        panel.set_xticks(range(len(values)), values)
        panel.set_xlabel(quantity.replace("_", " "))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("seconds, whole command")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        *zip(*dict(zip(names, zip(handles, names))).values()), loc="outside upper center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=110)


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
