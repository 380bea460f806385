"""Measurements as Markdown, into the part of a document that belongs to the command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from .machine import Machine
from .measurements import Measurement, growth
from .operations import StepCount

_BEGIN, _END = "<!-- begin: {name} -->", "<!-- end: {name} -->"


def write_section(path: Path, name: str, text: str) -> None:
    """Put text between the marks of that name; at the end of the document where it has none yet."""
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    document = path.read_text(encoding="utf-8") if path.exists() else ""
    section = f"{begin}\n{text.strip()}\n{end}"
    if begin in document and end in document:
        before, rest = document.split(begin, 1)
        document = before + section + rest.split(end, 1)[1]
    else:
        document = f"{document.rstrip()}\n\n{section}\n".lstrip()
    path.write_text(document, encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def machine_line(machine: Machine, when: str) -> str:
    return (
        f"{when}, {machine.processor}, {machine.threads} of {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}, torch {machine.torch}. Matrix products {machine.matmul_gflops:.0f} GFLOP/s, "
        f"copying {machine.copy_gb_s:.0f} GB/s." + (f" {machine.gpu}." if machine.gpu else "")
    )


def accuracy_table(measurements: Sequence[Measurement]) -> str:
    """One line for each tool and pair."""
    header = ("method", "pair", "TRE mean mm", "median", "95 %", "folds %", "seconds", "CPU s", "memory GB", "runs")
    return table(header, [_accuracy_row(m) for m in measurements])


def _accuracy_row(m: Measurement) -> list[str]:
    if m.failed is not None:
        return [m.name, m.pair, f"_{' '.join(m.failed.split())[:120]}_", *[""] * 6, "0"]
    figures = [m.accuracy.get(f"tre_{name}_mm", math.nan) for name in ("mean", "median", "p95")]
    return [
        m.name,
        m.pair,
        *(f"{figure:.2f}" for figure in figures),
        f"{m.accuracy.get('folds_percent', math.nan):.4f}",
        f"{m.seconds:.1f} ± {50 * m.spread:.0f} %",
        f"{m.cpu_seconds:.1f}",
        f"{m.peak_bytes / 1e9:.2f}",
        str(m.runs),
    ]


def warm_table(measurements: Sequence[Measurement]) -> str:
    """The first registration of a process beside those that follow, and the steps of these."""
    names = [name for name in dict.fromkeys(step for m in measurements for step in m.steps) if name != "first"]
    header = ("method", "pair", "device", "TRE mean mm", "first s", "then s", "memory GB", *names)
    return table(header, [_warm_row(m, names) for m in measurements if not m.failed])


def _warm_row(m: Measurement, steps: Sequence[str]) -> list[str]:
    error_mm = m.accuracy.get("tre_mean_mm", math.nan)
    then = f"{m.seconds:.2f} ± {50 * m.spread:.0f} %"
    figures = [f"{error_mm:.2f}", f"{m.steps['first']:.2f}", then, f"{m.peak_bytes / 1e9:.2f}"]
    return [m.name, m.pair, str(m.settings["device"]), *figures, *(f"{m.steps.get(name, 0.0):.3f}" for name in steps)]


def against_paper_table(paper: Sequence[Measurement], warm: Sequence[Measurement]) -> str:
    """How many times longer the paper's optimisation takes than everything of a preset, on the same pair and device."""
    rows = [
        [
            slow.pair,
            slow.settings["device"],
            f"{slow.steps['optimisation']:.1f}",
            f"{slow.accuracy.get('tre_mean_mm', math.nan):.2f}",
            quick.settings["preset"],
            f"{quick.seconds:.2f}",
            f"{quick.accuracy.get('tre_mean_mm', math.nan):.2f}",
            f"{slow.steps['optimisation'] / quick.seconds:.0f}",
        ]
        for slow in paper
        for quick in warm
        if not slow.failed and not quick.failed
        if (slow.pair, slow.settings["device"]) == (quick.pair, quick.settings["device"])
    ]
    return table(("pair", "device", "paper's recipe s", "TRE mm", "preset", "s", "TRE mm", "times"), rows)


def steps_table(measurements: Sequence[Measurement]) -> str:
    """Wall seconds of each step of the command, a column each."""
    names = list(dict.fromkeys(step for m in measurements for step in m.steps))
    rows = [[m.name, m.pair, *(f"{m.steps.get(n, 0.0):.2f}" for n in names)] for m in measurements if not m.failed]
    return table(("method", "pair", *names), rows)


def scaling_table(quantity: str, measurements: Sequence[Measurement], step: str | None = None) -> str:
    """Time and memory by one setting; and how they grow with it."""
    good = [m for m in measurements if m.failed is None]
    names = [
        name for name in ("preparation", "encoding", "optimisation", "evaluation") if any(name in m.steps for m in good)
    ]
    rows = [
        [m.settings[quantity], f"{m.seconds:.1f}", *(f"{m.steps.get(n, 0.0):.2f}" for n in names)]
        + [f"{m.peak_bytes / 1e9:.2f}", f"{m.accuracy.get('tre_mean_mm', math.nan):.2f}"]
        for m in good
    ]
    text = table((quantity.replace("_", " "), "seconds", *names, "memory GB", "TRE mean mm"), rows)
    values = [float(m.settings[quantity]) for m in good]
    if len(set(values)) > 1 and min(values) > 0:
        power = growth(values, [m.seconds for m in good])
        text += f"\n\nWall time grows as {quantity.replace('_', ' ')} to the power {power:.2f}."
    return text


def floors_table(counts: Sequence[StepCount], machine: Machine) -> str:
    """Operations, bytes, the floor that follows, the time taken and how many times the floor that is."""
    header = ("step", "10^9 operations", "10^9 bytes", "floor s", "CPU s", "ratio")
    rows = [
        [
            count.name,
            f"{count.operations * 1e-9:.1f}",
            f"{count.moved_bytes * 1e-9:.2f}",
            f"{count.floor_s(machine):.3f}",
            f"{count.seconds:.2f}",
            f"{count.ratio(machine):.0f}" if count.floor_s(machine) > 0 else "",
        ]
        for count in counts
    ]
    return table(header, rows)
