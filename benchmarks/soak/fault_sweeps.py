"""Faults at every place where they can happen, one sweep a kind of fault."""

from __future__ import annotations

import errno
import itertools
import random
from collections.abc import Callable, Iterable
from functools import partial

from .confined import FAULT, REFUSED, RESULT
from .faults import (
    STEPS,
    full_at_byte,
    killed_at_byte,
    killed_at_step,
    memory_of,
    out_of_gpu_memory_in,
    refused_at_step,
    sweep,
    terminated_after,
    what_is_wrong,
)
from .fuzzing import Tally
from .victim import Ending, Fault, Victim, ended

_BYTES = (1, 60, 352, 1000, 2000, 4096, 8192, 16_384, 30_000, 65_536, 66_000, 80_000, 10**5)


def _tallied(
    kind: str, victim: Victim, faults: Iterable[tuple[str, Fault]], clean: bool, computes: bool = False
) -> Tally:
    tally = Tally(kind)
    for name, ending, problem in sweep(victim, faults, clean, computes):
        _count(tally, name, ending, problem)
    return tally


def _count(tally: Tally, name: str, ending: Ending, problem: str | None) -> None:
    tally.verdicts[FAULT if problem else RESULT if ending.code == 0 else REFUSED] += 1
    if problem:
        tally.faults[name] = problem


def _then_well(tally: Tally, victim: Victim) -> Tally:
    """The next run works, over whatever the last fault has left."""
    ending = victim.run()
    _count(
        tally, "the next run", ending, None if ending.code == 0 else f"exit code {ending.code}: {ending.said[-300:]}"
    )
    return tally


def _kill_steps(victim: Victim, every: int) -> Tally:
    faults = ((f"step {n}", killed_at_step(n, victim.outputs)) for n in itertools.count(1, every))
    return _tallied("kill -9 before every step", victim, faults, clean=False)


def _kill_bytes(victim: Victim, every: int) -> Tally:
    faults = ((f"byte {n}", killed_at_byte(n)) for n in _BYTES[::every])
    return _then_well(_tallied("killed in the middle of a write", victim, faults, clean=False), victim)


def _full_disk(victim: Victim, every: int) -> Tally:
    faults = ((f"byte {n}", full_at_byte(n)) for n in _BYTES[::every])
    return _then_well(_tallied("disk full", victim, faults, clean=True), victim)


def _refusals(victim: Victim, every: int) -> Tally:
    tally = Tally("folder turns read-only, disk full, disk fails, at every step")
    for number in (errno.EROFS, errno.ENOSPC, errno.EIO):
        faults = (
            (f"{errno.errorcode[number]}, step {n}", refused_at_step(n, victim.outputs, number))
            for n in itertools.count(1, every)
        )
        for name, ending, problem in sweep(victim, faults, clean=True):
            _count(tally, name, ending, problem)
    return _then_well(tally, victim)


def _little_memory(victim: Victim, every: int) -> Tally:
    faults = ((f"{n} MiB", memory_of(n << 20)) for n in range(0, 200, 2 * every))
    return _then_well(_tallied("memory runs out", victim, faults, clean=True, computes=True), victim)


def _gpu_memory(victim: Victim, every: int) -> Tally:
    tally = Tally("GPU memory runs out in a step")
    for step in list(STEPS)[::every]:
        before = victim.prepare()
        ending = victim.run(partial(out_of_gpu_memory_in, step), computes=True)
        problem = what_is_wrong(before, victim.visible(), ending, clean=True)
        if problem is None and ending.code != 3:
            problem = f"exit code {ending.code}"
        _count(tally, step, ending, problem)
    return _then_well(tally, victim)


def _terminated(victim: Victim, every: int) -> Tally:
    """SIGTERM at a random moment."""
    tally, draw = Tally("SIGTERM at a random moment"), random.Random(0)
    for number in range(0, 40, every):
        before = victim.prepare()
        begun = victim.start(partial(terminated_after, draw.uniform(0, 0.8)))
        ending = ended(begun)
        _count(
            tally, f"number {number}", ending, what_is_wrong(before, victim.visible(), ending, clean=ending.code != -15)
        )
    return _then_well(tally, victim)


def _two_at_once(victim: Victim, every: int) -> Tally:
    """Two runs that write the same files at the same time; seen from outside, one of them came last."""
    tally = Tally("two processes write the same outputs")
    for number in range(0, 30, every):
        before = victim.prepare()
        both = [victim.start(partial(victim.sign, sign)) for sign in ("one", "two")]
        endings = [ended(begun) for begun in both]
        after = victim.visible()
        problem = next(filter(None, (what_is_wrong(before, after, ending, clean=True) for ending in endings)), None)
        if problem is None and len(victim.signs()) != 1:
            problem = f"files of both runs: {victim.signs()}"
        _count(tally, f"number {number}", endings[0], problem)
    return tally


SWEEPS: dict[str, Callable[[Victim, int], Tally]] = {
    "kill-steps": _kill_steps,
    "kill-bytes": _kill_bytes,
    "full-disk": _full_disk,
    "refusals": _refusals,
    "memory": _little_memory,
    "gpu-memory": _gpu_memory,
    "sigterm": _terminated,
    "two-at-once": _two_at_once,
}
