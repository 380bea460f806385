"""A volume of which only some blocks hold anything, as the maps of the lungs: a fraction of a whole array's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .voxel_reading import Block


class BlockVolume:
    """Blocks of a volume, and what is everywhere else."""

    def __init__(self, shape_kji: tuple[int, int, int], background: np.generic) -> None:
        """A volume without blocks; its type is that of the background."""
        self._shape_kji, self._background = shape_kji, background
        self._blocks: list[tuple[Block, np.ndarray]] = []

    def add(self, block: Block, values: np.ndarray) -> None:
        """Put values (k, j, i) where a block lies; they are kept, not copied."""
        self._blocks.append((block, values))

    def whole(self) -> np.ndarray:
        """(K, J, I), made anew at each call."""
        volume = np.full(self._shape_kji, self._background)
        for block, values in self._blocks:
            volume[block] = values
        return volume
