"""Blocks of a volume, several at once."""

import gc
import threading

import numpy as np
import pytest
import torch

from NePhiCore.blocks_at_once import for_each_block, made_of_blocks
from NePhiCore.side_by_side import side_by_side
from NePhiCore.voxel_reading import blocks

SHAPE = (70, 3, 130)


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_voxel_is_that_of_its_block():
    source = np.random.default_rng(0).integers(-1000, 1000, (*SHAPE, 2))
    made = made_of_blocks(source.shape, np.int16, lambda block: source[block])
    np.testing.assert_array_equal(made, source.astype(np.int16), strict=True)


def test_what_is_made_comes_in_the_order_of_the_blocks_and_in_as_many_threads_as_there_are(threads):
    chosen, together = list(blocks(SHAPE)), threading.Barrier(threads)

    def make(block):
        if block in chosen[:2] and threads == 2:
            together.wait(timeout=30)  # both of the first must be begun before either goes on
        return block

    assert list(for_each_block(make, chosen)) == chosen
    assert torch.get_num_threads() == threads


def test_no_block_is_nothing():
    assert list(for_each_block(lambda block: block, [])) == []


def test_the_error_of_a_block_is_raised():
    def fail(block):
        raise MemoryError(block[0].start)

    with pytest.raises(MemoryError, match="0"):
        made_of_blocks(SHAPE, np.float32, fail)


def test_threads_are_the_callers_again_where_the_rest_is_not_wanted(threads):
    for _ in for_each_block(lambda block: block, list(blocks(SHAPE))):
        break
    gc.collect()
    assert torch.get_num_threads() == threads


def test_blocks_within_calls_at_once_take_no_more_threads_than_there_are(threads):
    def whole(value):
        made = made_of_blocks(SHAPE, np.int16, lambda block: np.full([s.stop - s.start for s in block], value))
        return torch.get_num_threads(), made

    for value, (share, made) in enumerate(side_by_side(whole, (0,), (1,))):
        assert share == 1 and (made == value).all()
    assert torch.get_num_threads() == threads
