"""Turn a training run into a weights file as the product ships it.

python -m training.export run.pt NePhiRegistration/Resources/Models/nephi-lung-1.pt --note "one hour on a CPU"
"""

from __future__ import annotations

import argparse
from pathlib import Path

from NePhiCore.checkpoint import save_checkpoint
from NePhiCore.model import ModelConfig, NePhiModel

from .command import run_command
from .provenance import sha256_of
from .run_file import read_run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--note", default="", help="how it was trained, in words")
    options = parser.parse_args(arguments)
    export(read_run(options.run), options.weights, options.note)
    size = options.weights.stat().st_size / 2**20
    print(f"{options.weights}  {size:.1f} MiB  sha256 {sha256_of(options.weights)}")


def export(run: dict, weights: Path, note: str = "") -> None:
    """Write the mean weights of a run's content, and where they come from: options, commits, data of each stretch."""
    model = NePhiModel(ModelConfig(**run["config"]))
    model.load_state_dict(run["model"])
    origin = {"note": note, "steps": run["step"], "options": run["options"], "stretches": run["stretches"]}
    save_checkpoint(weights, model, origin)


if __name__ == "__main__":
    run_command(main)
