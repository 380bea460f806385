"""One scan of a pair: its lungs, left and right, and how large they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from .lung_function_names import REGIONS
from .lung_sides import LungSides, find_sides
from .volume import Volume
from .voxel_reading import blocks


class ScannedLungs:
    """A scan and its lungs.

    Attributes:
        volume: CT, HU.
        lungs: (K, J, I) bool on its grid, not empty.
        sides: which of them is left and which right.
    """

    def __init__(self, volume: Volume, lungs: np.ndarray) -> None:
        self.volume, self.lungs = volume, lungs
        self.sides: LungSides = find_sides(lungs, volume)

    @cached_property
    def volumes_ml(self) -> dict[str, float | None]:
        """Of the REGIONS; None for a lung that is not there."""
        counts = dict.fromkeys(REGIONS, 0)
        for block in blocks(self.lungs.shape):
            if self.lungs[block].any():
                is_right = self.sides.is_right(self.volume.geometry, block)
                for region, inside in in_regions(self.lungs[block], is_right):
                    counts[region] += int(np.count_nonzero(inside))
        voxel_ml = self.volume.geometry.voxel_volume_mm3 * 1e-3
        return {region: count * voxel_ml if count else None for region, count in counts.items()}

    @property
    def ml(self) -> float:
        """Volume of both lungs."""
        return self.volumes_ml["both"] or 0.0


def in_regions(lungs: np.ndarray, is_right: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The voxels of some lungs (bool) that belong to each of the REGIONS."""
    yield "both", lungs
    yield "left", lungs & ~is_right
    yield "right", lungs & is_right
