"""What the first process prints and writes while it trains: lines, curves, the run's file."""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec

import torch

from .curves import Curves, draw
from .provenance import commit
from .run_file import KEPT_OPTIONS, TrainingRun
from .workers import Workers

REPORT_EVERY = 50  # steps
SAVE_SECONDS = 120


class Logbook:
    """The record of one stretch.

    Args:
        sources: what steps are drawn from, by name; those made of data have `origin()`.
        started: when the stretch began, seconds.
    """

    def __init__(
        self, run: TrainingRun, sources: dict, options: argparse.Namespace, workers: Workers, started: float
    ) -> None:
        self.run, self.sources, self.options, self.workers = run, sources, options, workers
        self.first, self.started, self.saved = run.step, started, time.time()
        self.curves = Curves(options.out.with_suffix(".csv"), run.step)
        place = f"{workers.count} x {workers.device.type}"
        print(f"from step {run.step} of {options.steps} on {place}, reading {', '.join(sources)}", flush=True)

    def add(self, source: str, figures: dict[str, torch.Tensor]) -> None:
        """The step that was just done."""
        self.curves.add(source, figures)
        if self.run.step % REPORT_EVERY == 0:
            self._report()
        if time.time() - self.saved > SAVE_SECONDS:
            self.saved = time.time()
            self._save()

    def finish(self) -> None:
        """The end of the stretch."""
        self._save()
        self._report()
        if find_spec("matplotlib"):
            draw(self.curves.path, self.options.out.with_suffix(".png"))
        else:
            print(f"matplotlib is not installed: no picture of {self.curves.path}")

    def _report(self) -> None:
        seconds = time.time() - self.started
        if words := self.curves.write(self.run.step, seconds):
            print(f"{self.run.step:6d} {seconds:6.0f} s  {words}", flush=True)

    def _save(self) -> None:
        stretch = {
            "steps": [self.first, self.run.step],
            "commit": commit(),
            "device": self.workers.device.type,
            "processes": self.workers.count,
            "sources": list(self.sources),
            "torch": str(torch.__version__),
            "data": {name: source.origin() for name, source in self.sources.items() if hasattr(source, "origin")},
        }
        self.run.save(self.options.out, {name: getattr(self.options, name) for name in KEPT_OPTIONS}, stretch)
