"""Faults that are set up in a process before a registration begins in it, and what they must not have broken.

Each happens over the outputs of an earlier run. What lies in the folder afterwards is compared with what was there:
nothing half, nothing of two runs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import torch

from NePhiCore import pair_run, registration

from .confined import limit_address_space
from .victim import Ending, Fault, Victim

# Steps of a registration -> the function that does it, where it is called.
STEPS = {
    "placement": (registration, "place_pair"),
    "preparation": (registration, "resampled"),
    "optimisation": (registration, "optimise"),
    "evaluation": (registration, "evaluate_map"),
    "quality": (pair_run, "quality_report"),
    "warping": (pair_run, "warp_volume"),
    "determinant": (pair_run, "determinant_on"),
    "writing": (pair_run, "write_displacement"),
}


def killed_at_step(number: int, folder: Path) -> Fault:
    """kill -9 before the n-th time that a file of the folder is opened, renamed, linked or removed."""
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.link", "os.remove") and str(folder) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return partial(sys.addaudithook, hook)


def killed_at_byte(size: int) -> Fault:
    """Killed by the system in the middle of the write with which any file would become larger than this."""

    def fault() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return fault


def full_at_byte(size: int) -> Fault:
    """A disk on which no file becomes larger than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def refused_at_step(number: int, folder: Path, error: int) -> Fault:
    """From the n-th time on that a file of the folder is opened for writing, renamed or linked, the system refuses."""
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        writes = event in ("os.rename", "os.link") or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(folder) in str(arguments[0]):
            left -= 1
            if left <= 0:
                raise OSError(error, os.strerror(error))

    return partial(sys.addaudithook, hook)


def memory_of(more_bytes: int) -> Fault:
    """Only so much more memory."""
    return partial(limit_address_space, more_bytes)


def out_of_gpu_memory_in(step: str) -> None:
    """The device has no more memory when a step begins."""

    def fail(*arguments: object, **more: object) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    module, name = STEPS[step]
    getattr(module, name)  # or the fault would be none
    setattr(module, name, fail)


def terminated_after(seconds: float) -> None:
    """SIGTERM after so long."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, seconds)


def what_is_wrong(before: dict[str, str], after: dict[str, str], ending: Ending, clean: bool) -> str | None:
    """What a fault has broken; None where everything is as it should be.

    Args:
        before, after: of ``Victim.visible``, before and after the fault.
        clean: the run had its say: it must have ended with an error in words and have changed nothing, or, where the
            system would not let it undo that, have said where the old files are.
    """
    kept = {name for name in after if after[name] == before.get(name)}
    new = set(after) - kept
    if kept and new:
        return f"files of two runs: old {', '.join(sorted(kept))}; new {', '.join(sorted(new))}"
    if ending.code is None:
        return "it hung"
    if not clean:
        return None
    if ending.code == 0:
        return None if new == set(before) else "it said that all went well, and outputs are missing"
    missing = set(before) - kept
    if missing and not all(f"{name} (old content: " in ending.said for name in missing):
        return f"it failed, and said not where the old {', '.join(sorted(missing))} are"
    if ending.code not in (2, 3, 130) or "Traceback" in ending.said:
        return f"exit code {ending.code}: {ending.said[-300:]}"
    return None


def sweep(
    victim: Victim, faults: Iterable[tuple[str, Fault]], clean: bool, computes: bool = False
) -> Iterator[tuple[str, Ending, str | None]]:
    """Let faults happen one after another, each over good old outputs; ends where a run gets through."""
    for name, fault in faults:
        before = victim.prepare()
        ending = victim.run(fault, computes)
        yield name, ending, what_is_wrong(before, victim.visible(), ending, clean)
        if ending.code == 0:
            return
