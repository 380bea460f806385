"""Make training pairs: matches as the encoder sees them, with the truth, a file a pair.

    python -m training.make_pairs --ct CHEST_CT_FOLDER --count 400 --out pairs/      (from the repository's root)

Matching takes most of the time and has no weights, so it is done once; training then
reads the files as often as it likes. Files appear whole, so training may begin before
the last is made, and several of these may write to one folder with different seeds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from NePhiCore.encoder import Encoder
from NePhiCore.model import ModelConfig, NePhiModel

from .simulated_pairs import simulate_pair
from .subjects import phantom_subject, subjects_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, help="folder of chest CT (.nii.gz); phantoms alone where it is left out")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phantom-share", type=float, default=0.25)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    scans = list(subjects_in(options.ct)) if options.ct else []
    encoder = NePhiModel(ModelConfig()).encoder
    start, phantom = time.time(), None
    for number in range(options.count):
        path = options.out / f"pair-{options.seed:04d}-{number:05d}.pt"
        if path.exists():
            continue
        rng = np.random.default_rng([options.seed, number])
        if not scans or rng.random() < options.phantom_share:
            if phantom is None or rng.random() < 0.5:  # a patient serves twice: making one takes long
                phantom = phantom_subject(int(rng.integers(2**31)))
            subject = phantom
        else:
            subject = scans[rng.integers(len(scans))]
        write_pair(path, encoder, subject, rng)
        if number % 20 == 0:
            print(f"{number} of {options.count}, {time.time() - start:.0f} s", flush=True)


def write_pair(path: Path, encoder: Encoder, subject, rng: np.random.Generator) -> None:
    """Simulate a pair, match it, and keep what training needs."""
    pair = simulate_pair(subject, rng)
    content = {
        "matches": encoder.matches(pair.fixed, pair.moving)[0].half(),
        "forth": pair.forth[0].half(),
        "back": pair.back[0].half(),
        "millimetres": torch.tensor(pair.millimetres, dtype=torch.float32),
    }
    whole = path.with_suffix(".part")
    torch.save(content, whole)
    whole.rename(path)


if __name__ == "__main__":
    main()
