"""What a process that works for long must not gather: memory, open files, threads, children, objects. Linux only."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .confined import resident_bytes

Sample = dict[str, float]

# Per round; what is less cannot be told from chance. A process that takes 200 KiB a registration has 2 GB after 10 000.
MOST_KIB = 200.0
MOST_OF_ANYTHING = 0.05
# Pages that the allocator cannot give back come and go: in fewer samples memory says nothing, the rest is exact.
LEAST_SAMPLES_OF_MEMORY = 15
ROUND, MEMORY = "round", "memory KiB"


def take(after_round: int) -> Sample:
    """What this process holds now, rubbish collected and free memory given back to the system."""
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if give_back:
        give_back(0)
    return {
        ROUND: after_round,
        MEMORY: resident_bytes() / 1024,
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "children": len(children()),
        "Python objects": len(gc.get_objects()),
    }


def children() -> list[int]:
    """Processes that this one started and that are there yet, dead ones that nobody waited for included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        except OSError:  # it has ended meanwhile
            continue
        if int(after_name.split()[1]) == os.getpid():
            found.append(int(path.parent.name))
    return found


def slopes(samples: Sequence[Sample]) -> Sample:
    """How much of each comes with a round, least squares over the later half: caches fill in the first."""
    later = samples[len(samples) // 2 :]
    rounds = [sample[ROUND] for sample in later]
    return {name: float(np.polyfit(rounds, [one[name] for one in later], 1)[0]) for name in later[0] if name != ROUND}


def growing(samples: Sequence[Sample]) -> dict[str, float]:
    """What comes with every round, and how much of it; empty where all is flat.

    Memory is judged in LEAST_SAMPLES_OF_MEMORY samples and more.
    """
    most_memory = MOST_KIB if len(samples) >= LEAST_SAMPLES_OF_MEMORY else float("inf")
    limits = {MEMORY: most_memory, "Python objects": 20.0}
    return {name: slope for name, slope in slopes(samples).items() if slope > limits.get(name, MOST_OF_ANYTHING)}


def flatness_table(samples: Sequence[Sample]) -> str:
    """First, middle and last of each, and the slope, as Markdown."""
    first, middle, last = samples[0], samples[len(samples) // 2], samples[-1]
    after = " | ".join(f"after {sample[ROUND]:.0f}" for sample in (first, middle, last))
    rows = [f"| | {after} | more with each |", "| --- | --- | --- | --- | --- |"]
    for name, slope in slopes(samples).items():
        counts = " | ".join(f"{sample[name]:.0f}" for sample in (first, middle, last))
        rows.append(f"| {name} | {counts} | {slope:+.2f} |")
    return "\n".join(rows)
