"""The patients that training pairs are made from: chest CT scans in a folder, and phantoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NePhiCore.geometry import transform_points
from NePhiCore.image_io import read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.phantom import breathing_phantom
from NePhiCore.volume import Volume

PHANTOM_SHAPE, PHANTOM_MM = (156, 132, 180), 2.0


@dataclass(frozen=True, eq=False)
class Subject:
    """One scan at inhale.

    Attributes:
        volume: HU.
        lungs: (K, J, I) bool.
        box_ras_mm: (2, 3) lowest and highest corner of the lungs.
    """

    volume: Volume
    lungs: np.ndarray
    box_ras_mm: np.ndarray

    @classmethod
    def of(cls, volume: Volume, lungs: np.ndarray) -> Subject:
        points = transform_points(volume.geometry.ijk_to_ras, np.argwhere(lungs)[:, ::-1].astype(float))
        return cls(volume, lungs, np.stack([points.min(0), points.max(0)]))


def subjects_in(folder: Path) -> Iterator[Subject]:
    """Every CT of a folder, by name; lungs found by the product's own masks."""
    for path in sorted(folder.glob("*.nii.gz")):
        volume = read_volume(path)
        yield Subject.of(volume, find_lungs(volume))


def phantom_subject(seed: int) -> Subject:
    """A made-up patient at inhale."""
    phantom = breathing_phantom(PHANTOM_SHAPE, PHANTOM_MM, seed=seed, landmark_count=0)
    return Subject.of(phantom.inhale, phantom.inhale_lungs)
