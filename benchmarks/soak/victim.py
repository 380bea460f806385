"""A tiny pair, and `nephi register` on it in forked processes, over the outputs of an earlier run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NePhiCore import pair_run
from NePhiCore.checkpoint import load_checkpoint, save_checkpoint
from NePhiCore.cli import main
from NePhiCore.cli_run import Run
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import write_volume
from NePhiCore.interruption import Interruption
from NePhiCore.model import NePhiModel
from NePhiCore.register_command import read_pair
from NePhiCore.settings import settings_for

from .samples import small_model

OUTPUTS = ("transform.h5", "inverse.h5", "warped.nii.gz", "jacobian.nii.gz", "report.json")
_LONGEST_S = 120
_SHAPE_KJI = (20, 22, 24)

# What is set up in the process before the command begins.
Fault = Callable[[], object]


@dataclass(frozen=True)
class Ending:
    """How a run of the command ended.

    Attributes:
        code: exit code; negative where a signal ended it; None where it had to be killed because it hung.
        said: standard error and output.
    """

    code: int | None
    said: str


class Victim:
    """A pair in a folder, its registration, and runs of the command that write it."""

    def __init__(self, folder: Path) -> None:
        self.outputs = folder / "outputs"
        self._inputs = folder / "inputs"
        self._inputs.mkdir(parents=True)
        hu = np.random.default_rng(0).normal(-800, 60, _SHAPE_KJI).astype(np.int16)
        lungs = np.zeros(_SHAPE_KJI, bool)
        lungs[5:16, 5:17, 5:19] = True
        for name, origin in (("fixed", (0, 0, 0)), ("moving", (6, -4, 8))):
            geometry = ImageGeometry.from_spacing(_SHAPE_KJI, 4.0, np.array(origin, float))
            write_volume(self._inputs / f"{name}.nii.gz", hu, geometry)
            write_volume(self._inputs / f"{name}_mask.nii.gz", lungs, geometry)
        save_checkpoint(self._inputs / "model.pt", small_model(), {"data": "none"})
        self._measured = self._register()

    def arguments(self) -> list[str]:
        """Of a run that optimises a little."""
        files = {"fixed_mask": "fixed_mask.nii.gz", "moving_mask": "moving_mask.nii.gz", "model": "model.pt"}
        options: dict[str, object] = {name: self._inputs / file for name, file in files.items()}
        names = ("transform", "inverse_transform", "warped", "jacobian", "report")
        options |= {name: self.outputs / file for name, file in zip(names, OUTPUTS)}
        options |= {"preset": "balanced", "iterations": 3, "grid_spacing": 12, "device": "cpu"}
        images = [str(self._inputs / f"{name}.nii.gz") for name in ("fixed", "moving")]
        return ["register", *images, *(f"--{name.replace('_', '-')}={value}" for name, value in options.items())]

    def prepare(self) -> dict[str, str]:
        """Leave the outputs of an earlier run alone in the folder; returns what ``visible`` does."""
        self.outputs.mkdir(exist_ok=True)
        for path in self.outputs.iterdir():
            path.unlink()
        for name in OUTPUTS:
            (self.outputs / name).write_text(f"old {name}\n" * 50)
        return self.visible()

    def visible(self) -> dict[str, str]:
        """Hash of each file that a user sees."""
        paths = [path for path in self.outputs.iterdir() if not path.name.startswith(".")]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}

    def run(self, fault: Fault = lambda: None, computes: bool = False) -> Ending:
        """Run the command in a forked process in which a fault is set up first.

        Args:
            computes: register anew; else the registration that is there already is measured and written.
        """
        return ended(self.start(fault, computes))

    def start(self, fault: Fault = lambda: None, computes: bool = False) -> tuple[int, int]:
        """Begin a run; returns its process and where it says its words."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._run_and_exit(fault, computes, writing)
        os.close(writing)
        return child, reading

    def sign(self, sign: str) -> None:
        """Let the run of this process write a word in the place of every output, for who must tell them apart."""
        run_report = pair_run.run_report

        def write(products: object, quality: object, paths: object, outputs: object, **how: object) -> None:
            for what, path in paths.asked().items():
                if what != "report":
                    outputs.stage(path).write_text(sign)

        pair_run._write_products = write
        pair_run.run_report = lambda *arguments: {**run_report(*arguments), "sign": sign}

    def signs(self) -> set[str]:
        """The words of all outputs."""
        texts = [(self.outputs / name).read_text(encoding="utf-8") for name in OUTPUTS]
        return {*texts[:-1], json.loads(texts[-1])["sign"]}

    def _register(self) -> object:
        masks = {f"{name}_mask": self._inputs / f"{name}_mask.nii.gz" for name in ("fixed", "moving")}
        pair = read_pair({"fixed": self._inputs / "fixed.nii.gz", "moving": self._inputs / "moving.nii.gz", **masks})
        settings = settings_for("fast", grid_spacing_mm=12.0, device="cpu")
        model = load_checkpoint(self._inputs / "model.pt")
        model.model.encode = lambda *images: (model.model.empty_code(), None)
        return pair_run.register_and_measure(pair, settings, model, Run(lambda message: None, Interruption()))

    def _run_and_exit(self, fault: Fault, computes: bool, writing: int) -> None:
        code = 1
        try:
            for descriptor in (1, 2):
                os.dup2(writing, descriptor)
            sys.stdout = sys.stderr = io.TextIOWrapper(
                io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True
            )
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            NePhiModel.encode = lambda model, *images: (model.empty_code(), None)  # the search takes a minute
            if not computes:
                pair_run.register_and_measure = lambda *arguments: self._measured
            fault()
            with contextlib.suppress(SystemExit):
                code = main(self.arguments())
        finally:
            os._exit(code)


def ended(begun: tuple[int, int]) -> Ending:
    """Wait for a run that was begun."""
    child, reading = begun
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(_LONGEST_S)
    with os.fdopen(reading, "rb") as said:
        words = said.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    hung = signal.alarm(0) == 0
    return Ending(None if hung else os.waitstatus_to_exitcode(status), words)
