"""Pairs made while training, on the device that trains: no files, and none twice for long.

On a GPU the search takes a fraction of a second, on a CPU some ten: there, use `make_pairs`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from NePhiCore.encoder import Encoder
from NePhiCore.errors import SettingsError

from .batches import Batch
from .make_pairs import pair_content
from .pair_files import Pair, varied_batch
from .subjects import Subject

POOL = 64  # a pair is trained on for this many steps, a new one comes with every step


class DevicePairs:
    """A pool of pairs that moves on by one with every step.

    Step n draws from the pairs n to n + POOL - 1, and each pair is a function of the seed and its
    number: a run that is resumed makes the pool again as it was. Every process of several makes its own.

    Raises:
        SettingsError: there are no subjects.
    """

    def __init__(self, subjects: Sequence[Subject], encoder: Encoder, points: int, seed: int, process: int = 0) -> None:
        self.subjects, self.encoder, self.points = subjects, encoder, points
        if not subjects:
            raise SettingsError("There is nothing to make pairs from; give --ct, or --phantoms of at least 1.")
        self._seed = [seed, process]
        together = hashlib.sha256()
        for subject in subjects:
            together.update(subject.scan.cpu().numpy().tobytes())
        self._origin = {"subjects": len(subjects), "sha256": together.hexdigest()}
        self._pool: dict[int, Pair] = {}

    def batch(self, step: int, generators: list[torch.Generator]) -> Batch:
        self._pool = {number: self._pool.get(number) or self._make(number) for number in range(step, step + POOL)}
        chosen = [step + int(torch.randint(POOL, (), generator=g, device=g.device)) for g in generators]
        return varied_batch([self._pool[number] for number in chosen], self.points, generators)

    def origin(self) -> dict[str, object]:
        """What the pairs are made from: a hash over the subjects' voxels."""
        return self._origin

    def _make(self, number: int) -> Pair:
        rng = np.random.default_rng([*self._seed, number])
        return pair_content(self.encoder, self.subjects[rng.integers(len(self.subjects))], rng)
