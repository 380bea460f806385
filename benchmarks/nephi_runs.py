"""The project's own command, as a user starts it: presets, steps, and how time and memory grow."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .accuracy import accuracy_of
from .cases import BenchmarkPair, resized_pair
from .measurements import Measurement, Run, summarised
from .processes import run_process

SIZES = (64, 128, 256, 384, 512)
ITERATIONS = (0, 75, 150, 300)
SAMPLING_RATIOS = (0.005, 0.01, 0.02, 0.05)
GRID_SPACINGS_MM = (2.0, 3.0, 5.0, 10.0)


def measure_nephi(
    pair: BenchmarkPair, preset: str, threads: int, runs: int, extra: Sequence[str] = (), **settings: object
) -> Measurement:
    """`nephi register` on the processor, several times; the options in `extra` are told apart by `settings`."""
    with tempfile.TemporaryDirectory() as folder:
        transform, report = Path(folder, "transform.h5"), Path(folder, "report.json")
        files = ["--transform", transform, "--inverse-transform", Path(folder, "inverse.h5"), "--report", report]
        command = [sys.executable, "-m", "NePhiCore", "register", pair.fixed, pair.moving, *files, "--quiet"]
        command = [str(part) for part in [*command, "--device", "cpu", "--preset", preset, *extra]]
        done = [run_process(command, threads, report) for _ in range(runs)]
        accuracy = accuracy_of(transform, pair) if transform.exists() else {}
    settings = {"preset": preset, "threads": threads, **settings}
    return summarised(f"NePhi {preset}", pair.name, done, settings, accuracy)


def measure_paper(pair: BenchmarkPair, threads: int, device: str = "cpu", iterations: int = 150) -> Measurement:
    """The paper's recipe, once: it takes many minutes on a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        transform, report = Path(folder, "transform.h5"), Path(folder, "report.json")
        files = map(str, (pair.fixed, pair.moving, transform, report))
        command = [sys.executable, "-m", "benchmarks.paper_recipe", *files, "--iterations", str(iterations)]
        command += ["--device", device]
        done = [run_process(command, threads, report)]
        accuracy = accuracy_of(transform, pair) if transform.exists() else {}
    settings = {"iterations": iterations, "threads": threads, "device": device}
    return summarised("paper's recipe", pair.name, done, settings, accuracy)


def measure_warm(pair: BenchmarkPair, preset: str, threads: int, runs: int, device: str = "cpu") -> Measurement:
    """Registrations in a process that has made one already; their seconds and memory are those that it tells."""
    with tempfile.TemporaryDirectory() as folder:
        transform, report = Path(folder, "transform.h5"), Path(folder, "report.json")
        files = map(str, (pair.fixed, pair.moving, transform, report))
        options = ["--preset", preset, "--runs", str(runs), "--device", device]
        process = run_process([sys.executable, "-m", "benchmarks.warm_runs", *files, *options], threads, report)
        if process.failed is not None:
            return summarised(f"NePhi {preset}, warm", pair.name, [process], {"preset": preset, "threads": threads})
        told = json.loads(report.read_text(encoding="utf-8"))
        accuracy = accuracy_of(transform, pair)
    settings = {"preset": preset, "threads": threads, "device": device}
    steps = {"first": told["first_seconds"], **told["seconds_by_step"]}
    bytes_, alone = max(told["peak_bytes"], told["reserved_bytes"]), process.cpu_seconds / (runs + 1)
    done = [Run(seconds, alone, bytes_, steps) for seconds in told["seconds"]]
    return summarised(f"NePhi {preset}, warm", pair.name, done, settings, accuracy)


def measure_presets(pairs: Sequence[BenchmarkPair], presets: Sequence[str], threads: int, runs: int):
    for pair in pairs:
        for preset in presets:
            yield measure_nephi(pair, preset, threads, runs)


def measure_scaling(
    pair: BenchmarkPair, preset: str, threads: int, runs: int, sizes: Sequence[int] = SIZES
) -> Iterator[tuple[str, Measurement]]:
    """One quantity at a time, everything else as the preset has it: (quantity, measurement)."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            resized = resized_pair(pair, size, Path(folder))
            yield "size", measure_nephi(resized, preset, threads, runs, size=size)
    studies = (
        ("iterations", "--iterations", ITERATIONS),
        ("similarity_sampling_ratio", "--similarity-sampling-ratio", SAMPLING_RATIOS),
        ("grid_spacing", "--grid-spacing", GRID_SPACINGS_MM),
    )
    for quantity, option, values in studies:
        for value in values:
            yield quantity, measure_nephi(pair, preset, threads, runs, [option, str(value)], **{quantity: value})
    for count in range(1, threads + 1):
        yield "threads", measure_nephi(pair, preset, count, runs)
