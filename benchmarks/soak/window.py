"""`python -m benchmarks.soak.window`: a long session at the panel; exit code 1 where anything grows.

Open a pair, register it to the end, or discard, or keep the best, or close the scene midway; again and again in one
process, on Slicer's own scene and the tests' stand-in for its application. Child processes skip the search.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .flatness import flatness_table, growing, take

_MODULE = Path(__file__).resolve().parents[2] / "NePhiRegistration"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.window", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args(arguments).rounds
    _become_slicer()
    import long_session
    import scene_cases

    samples, start = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as own, scene_cases.without_search():
        session = long_session.LongSession(own)
        for number in range(rounds):
            session.round(number)
            if number % len(long_session.WAYS) == len(long_session.WAYS) - 1:  # or kinds of rounds would be compared
                samples.append(take(number + 1) | long_session.held())
                print(samples[-1], flush=True)
    print(f"{rounds} rounds in {time.perf_counter() - start:.0f} s\n{flatness_table(samples)}")
    found = growing(samples)
    if found:
        print(f"grows with every round: {found}")
    return 1 if found else 0


def _become_slicer() -> None:
    sys.path[:0] = [str(_MODULE / "Testing/Python"), str(_MODULE / "Testing/Python/module")]
    import slicer_standin

    slicer_standin.install()
    from slicer_standin.modules import load_module

    load_module(_MODULE / "NePhiRegistration.py")


if __name__ == "__main__":
    sys.exit(main())
