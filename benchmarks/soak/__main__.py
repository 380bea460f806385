"""`python -m benchmarks.soak`: attack the readers and the writing of results; exit code 1 where anything is found."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import SimpleITK as sitk
import torch

from .fault_sweeps import SWEEPS
from .fuzzing import Tally, attack, fuzz
from .samples import SAMPLES
from .victim import Victim

_HEADINGS = ("what", "tried", "results", "refused", "faults", "longest s", "most MiB")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    _stay_one_thread()
    tallies = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        for tally in _tallies(options, folder):
            tallies.append(tally)
            print(_line(tally), flush=True)
            for name, words in tally.faults.items():
                print(f"    {name}: {words}", flush=True)
    print(_table(tallies))
    if options.json:
        options.json.write_text(json.dumps([vars(tally) for tally in tallies], indent=1), encoding="utf-8")
    return 1 if any(tally.faults for tally in tallies) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="another one spoils the files in other ways")
    parser.add_argument("--inputs", type=int, default=1000, help="spoilt files of each kind; 0 leaves them out")
    parser.add_argument(
        "--kinds", nargs="+", default=list(SAMPLES), choices=SAMPLES, metavar="KIND", help=", ".join(SAMPLES)
    )
    parser.add_argument("--hostile", action=argparse.BooleanOptionalAction, default=True, help="files made to hurt")
    parser.add_argument(
        "--sweeps", nargs="*", default=list(SWEEPS), choices=SWEEPS, metavar="SWEEP", help=", ".join(SWEEPS)
    )
    parser.add_argument("--every", type=int, default=1, help="try every n-th place of a sweep")
    parser.add_argument("--json", type=Path, help="also write what was found there")
    parser.add_argument("--keep", type=Path, help="a new folder; spoilt files that were found to do harm stay in it")
    return parser.parse_args(arguments)


def _stay_one_thread() -> None:
    """A process that forks must have no other threads: in its children, what they held would never be let go."""
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _tallies(options: argparse.Namespace, folder: Path) -> Iterator[Tally]:
    if options.inputs:
        yield from fuzz(folder, options.seed, options.inputs, options.kinds)
    if options.hostile:
        yield attack(folder)
    if options.sweeps:
        victim = Victim(folder / "victim")
        for name in options.sweeps:
            sweep: Callable[[Victim, int], Tally] = SWEEPS[name]
            yield sweep(victim, options.every)


def _line(tally: Tally) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(tally.verdicts.items()))
    return (
        f"{tally.kind}: {counts}; at most {tally.seconds:.1f} s of computing and {tally.memory_bytes / 2**20:.0f} MiB"
    )


def _table(tallies: Sequence[Tally]) -> str:
    rows = [_HEADINGS, ("---",) * len(_HEADINGS)]
    for tally in tallies:
        counts = [tally.verdicts[verdict] for verdict in ("result", "refused", "fault")]
        worst = f"{tally.seconds:.1f}", f"{tally.memory_bytes / 2**20:.0f}"
        rows.append((tally.kind, *map(str, (sum(counts), *counts)), *worst))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
