"""Make training pairs: matches as the encoder sees them, with the truth, a file a pair.

    python -m training.make_pairs --ct CHEST_CT_FOLDER --count 400 --out pairs/      (from the repository's root)

Matching takes most of the time and has no weights, so it is done once; training then
reads the files as often as it likes. Files appear whole, so training may begin before
the last is made, and several of these may write to one folder with different seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from NePhiCore.device import choose_device
from NePhiCore.encoder import Encoder
from NePhiCore.model import ModelConfig, NePhiModel

from .command import run_command
from .provenance import commit, sha256_of
from .simulated_pairs import simulate_pair
from .subjects import Subject, phantom_subject, scans_in, subjects_in

PAIRS_OF_A_PATIENT = 2  # in a row: making a phantom takes longer than a pair


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, help="folder of chest CT (.nii.gz); phantoms alone where it is left out")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phantom-share", type=float, default=0.25)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    scans = [subject.to(device) for subject in subjects_in(options.ct)] if options.ct else []
    options.out.mkdir(parents=True, exist_ok=True)
    write_origin(options)
    patients = Patients(scans, options.phantom_share, options.seed, device)
    encoder, start = NePhiModel(ModelConfig()).encoder, time.time()
    for number in range(options.count):
        path = options.out / f"pair-{options.seed:04d}-{number:05d}.pt"
        if not path.exists():
            write_pair(path, encoder, patients.of_pair(number), np.random.default_rng([options.seed, number]))
            if number % 20 == 0 or number == options.count - 1:
                print(f"{number + 1} of {options.count}, {time.time() - start:.0f} s", flush=True)


class Patients:
    """Whom each pair is made of: a function of seed and number, so that a folder can be finished later."""

    def __init__(self, scans: list[Subject], phantom_share: float, seed: int, device: torch.device | str) -> None:
        self.scans, self.phantom_share, self.seed, self.device = scans, phantom_share if scans else 1.0, seed, device
        self._phantom = (-1, None)

    def of_pair(self, number: int) -> Subject:
        patient = number // PAIRS_OF_A_PATIENT
        rng = np.random.default_rng([self.seed, patient, 1])
        if rng.random() >= self.phantom_share:
            return self.scans[rng.integers(len(self.scans))]
        if self._phantom[0] != patient:
            self._phantom = patient, phantom_subject(int(rng.integers(2**31))).to(self.device)
        return self._phantom[1]


def write_pair(path: Path, encoder: Encoder, subject: Subject, rng: np.random.Generator) -> None:
    """Simulate a pair, match it, and keep what training needs."""
    whole = path.with_suffix(".part")
    torch.save({name: value.cpu() for name, value in pair_content(encoder, subject, rng).items()}, whole)
    whole.rename(path)


def pair_content(encoder: Encoder, subject: Subject, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """A simulated pair as training reads it, on the subject's device."""
    pair = simulate_pair(subject, rng)
    return {
        "matches": encoder.matches(pair.fixed, pair.moving)[0].half(),
        "forth": pair.forth[0].half(),
        "back": pair.back[0].half(),
        "millimetres": torch.tensor(pair.millimetres, dtype=torch.float32),
    }


def write_origin(options: argparse.Namespace) -> None:
    """Beside the pairs, what they are made from; `train` carries it into its checkpoints."""
    origin = {
        "commit": commit(),
        "seed": options.seed,
        "phantom_share": options.phantom_share if options.ct else 1.0,
        "ct_sha256": {path.name: sha256_of(path) for path in scans_in(options.ct)} if options.ct else {},
    }
    (options.out / f"made-{options.seed:04d}.json").write_text(json.dumps(origin, indent=1))


if __name__ == "__main__":
    run_command(main)
