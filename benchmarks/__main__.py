"""`python -m benchmarks`: measure, add to the history, and write docs/benchmarks.md and docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import torch

from NePhiCore import __version__
from NePhiCore.settings import PRESETS, settings_for

from .cases import BenchmarkPair, find_pairs, phantom_pair
from .history import add_session, read_sessions, slower_than_before
from .machine import Machine, this_machine
from .measurements import Measurement
from .nephi_runs import SIZES, measure_paper, measure_presets, measure_scaling, measure_warm
from .operations import count_steps
from .peers import PEERS, measure_peer
from .plots import plot_accuracy_against_time, plot_scaling
from .report import (
    accuracy_table,
    against_paper_table,
    floors_table,
    machine_line,
    scaling_table,
    steps_table,
    warm_table,
    write_section,
)

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("presets", "warm", "floors", "scaling", "paper", "peers")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    machine = this_machine(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        pairs = _chosen(find_pairs(options.data.resolve()), options.pairs) or [phantom_pair(Path(folder))]
        print(f"pairs: {', '.join(pair.name for pair in pairs)}; {options.threads} threads", flush=True)
        measured = [_told(m) for m in _measurements(pairs, options)]
        paper, warm = ([_told(m) for m in of(pairs, options)] for of in (_paper, _warm))
        scaling = [(quantity, _told(m)) for quantity, m in _scaling(pairs[0], options)]
        floors = [
            (preset, count_steps(pairs[0], settings_for(preset, device="cpu")))
            for preset in options.presets
            if "floors" in options.parts
        ]
    history = options.output / "benchmarks-history.jsonl"
    session = add_session(history, machine, [*measured, *paper, *warm, *(m for _, m in scaling)], __version__)
    when = session["when"][:10]
    if measured or paper or warm or scaling:
        _write_benchmarks(options.output, machine, when, measured, paper, warm, scaling)
    if floors:
        alone = this_machine(threads=1)
        parts = [f"`{p}`, pair {pairs[0].name}:\n\n{floors_table(c, alone)}" for p, c in floors]
        write_section(options.output / "performance.md", "floors", "\n\n".join([machine_line(alone, when), *parts]))
    for line in slower_than_before(read_sessions(history)):
        print(f"slower than the last time: {line}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with pairs")
    parser.add_argument("--pairs", nargs="+", help="names of pairs (default: all; the phantom where there are none)")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=PRESETS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="voxels a side, for the scaling")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-runs", type=int, default=1, help="peers take minutes")
    parser.add_argument("--peers-python", default=sys.executable, help="Python of the environment with the peers")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of the documents")
    return parser.parse_args(arguments)


def _chosen(pairs: list[BenchmarkPair], names: Sequence[str] | None) -> list[BenchmarkPair]:
    return [pair for pair in pairs if names is None or pair.name in names]


def _measurements(pairs: list[BenchmarkPair], options: argparse.Namespace) -> Iterator[Measurement]:
    if "presets" in options.parts:
        yield from measure_presets(pairs, options.presets, options.threads, options.runs)
    if "peers" in options.parts:
        for peer in PEERS:
            for pair in pairs:
                yield measure_peer(peer, pair, options.peers_python, options.threads, options.peer_runs)


def _paper(pairs: list[BenchmarkPair], options: argparse.Namespace) -> Iterator[Measurement]:
    if "paper" in options.parts:
        for pair, device in product(pairs, _devices()):
            yield measure_paper(pair, options.threads, device)


def _warm(pairs: list[BenchmarkPair], options: argparse.Namespace) -> Iterator[Measurement]:
    if "warm" in options.parts:
        for pair, device, preset in product(pairs, _devices(), options.presets):
            yield measure_warm(pair, preset, options.threads, options.runs, device)


def _devices() -> list[str]:
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _scaling(pair: BenchmarkPair, options: argparse.Namespace) -> Iterator[tuple[str, Measurement]]:
    if "scaling" in options.parts:
        yield from measure_scaling(pair, "balanced", options.threads, options.runs, options.sizes)


def _told(m: Measurement) -> Measurement:
    error = f", {m.accuracy['tre_mean_mm']:.2f} mm" if m.accuracy else ""
    said = m.failed or f"{m.seconds:.1f} s ({m.cpu_seconds:.1f} s CPU), {m.peak_bytes / 1e9:.2f} GB{error}"
    print(f"{m.name}, {m.pair}, {dict(m.settings)}: {said}", flush=True)
    return m


def _write_benchmarks(folder: Path, machine: Machine, when: str, measured, paper, warm, scaling) -> None:
    document = folder / "benchmarks.md"
    write_section(document, "machine", machine_line(machine, when))
    if measured:
        picture = folder / "benchmarks.png"
        plot_accuracy_against_time(picture, measured)
        write_section(document, "accuracy", f"{accuracy_table(measured)}\n\n![accuracy and time]({picture.name})")
        write_section(document, "steps", steps_table([m for m in measured if m.steps]))
    if warm:
        write_section(document, "warm", warm_table(warm))
    if paper and warm:
        write_section(document, "against the paper's recipe", against_paper_table(paper, warm))
    if scaling:
        picture = folder / "benchmarks-scaling.png"
        plot_scaling(picture, scaling)
        write_section(document, "scaling", f"![seconds by step, memory]({picture.name})")
    for quantity in dict.fromkeys(quantity for quantity, _ in scaling):
        of_one = [m for q, m in scaling if q == quantity]
        write_section(document, f"by {quantity}", scaling_table(quantity, of_one))


if __name__ == "__main__":
    sys.exit(main())
