"""`python -m benchmarks.soak.load`: very many registrations in one process; exit code 1 where anything grows.

Each is the whole of `nephi register` on a tiny pair: files read, an initial transform in HDF5, the search, a few
iterations, all outputs written over the last ones.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import SimpleITK as sitk
import torch

from NePhiCore import encoder, registration
from NePhiCore.cli import main as nephi

from .flatness import Sample, flatness_table, growing, take
from .victim import Victim

# Voxels along each side of the cube that is searched: it is 144 in the product, where the search alone takes seconds.
_SEARCHED = 48


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    samples, start = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        for sample in _registrations(Path(scratch), options.registrations):
            samples.append(sample)
            if len(samples) % 10 == 0:
                print(sample, flush=True)
    print(f"{options.registrations} registrations in {time.perf_counter() - start:.0f} s\n{flatness_table(samples)}")
    found = growing(samples)
    if found:
        print(f"grows with every registration: {found}")
    return 1 if found else 0


def _registrations(folder: Path, count: int) -> Iterator[Sample]:
    """Register again and again; what the process holds, a hundred times in all."""
    victim = Victim(folder / "victim")
    victim.outputs.mkdir()
    start = folder / "start.h5"
    sitk.WriteTransform(sitk.TranslationTransform(3, (-6.0, 4.0, 8.0)), str(start))
    command = [*victim.arguments(), f"--initial-transform={start}"]
    with (
        mock.patch.object(encoder, "SEARCH_SIZE", _SEARCHED),
        mock.patch.object(registration, "SEARCH_SIZE", _SEARCHED),
    ):
        for number in range(count):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = nephi(command)
            if code != 0:
                raise RuntimeError(f"registration {number + 1} ended with {code}: {said.getvalue()[-500:]}")
            if number % max(1, count // 100) == 0:
                yield take(number + 1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.load", description=__doc__)
    parser.add_argument("--registrations", type=int, default=500)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
