"""Work on the blocks of a volume, several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike

from .side_by_side import threads_for
from .voxel_reading import Block, blocks

_MOST_AT_ONCE = 4  # each takes some 30 MB meanwhile

_Made = TypeVar("_Made")


def made_of_blocks(shape: tuple[int, ...], dtype: DTypeLike, values_of: Callable[[Block], np.ndarray]) -> np.ndarray:
    """A volume (K, J, I) or (K, J, I, C), put together of the values of each of its blocks."""
    volume = np.empty(shape, dtype)
    k, j, i = shape[:3]

    def fill(block: Block) -> None:
        volume[block] = values_of(block)

    for _ in for_each_block(fill, list(blocks((k, j, i)))):
        pass
    return volume


def for_each_block(make: Callable[[Block], _Made], chosen: Sequence[Block]) -> Iterator[_Made]:
    """What is made of each block, in their order; no more than some are waiting to be taken."""
    with threads_for(min(_MOST_AT_ONCE, max(len(chosen), 1))) as make_all:
        for start in range(0, len(chosen), _MOST_AT_ONCE):
            yield from make_all(*(partial(make, block) for block in chosen[start : start + _MOST_AT_ONCE]))
