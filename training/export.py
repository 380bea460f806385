"""Turn a training run into the weights file that the product ships.

python -m training.export run.pt NePhiRegistration/Resources/Models/nephi-lung-1.pt --note "one hour on a CPU"
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
from pathlib import Path

import torch

from NePhiCore.checkpoint import save_checkpoint
from NePhiCore.model import ModelConfig, NePhiModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--ct", type=Path, help="folder of chest CT that was trained on; its files' hashes are kept")
    parser.add_argument("--note", default="", help="how it was trained, in words")
    options = parser.parse_args()
    run = torch.load(options.run, weights_only=True)
    model = NePhiModel(ModelConfig())
    model.load_state_dict(run["model"])
    save_checkpoint(options.weights, model, origin_of(run, options.ct, options.note))
    digest = hashlib.sha256(options.weights.read_bytes()).hexdigest()
    print(f"{options.weights}  {options.weights.stat().st_size / 2**20:.1f} MB  sha256 {digest}")


def origin_of(run: dict, ct: Path | None, note: str) -> dict[str, object]:
    """What made these weights, as it travels in the file."""
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(ct.glob("*"))} if ct else {}
    return {"steps": run["step"], "options": run.get("options", {}), "commit": _commit(), "ct": hashes, "note": note}


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
