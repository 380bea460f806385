"""A volume that is kept as some of its blocks."""

import numpy as np

from NePhiCore.block_volume import BlockVolume


def test_blocks_lie_where_they_were_put_and_the_rest_is_background():
    volume = BlockVolume((3, 4, 5), np.float32(-1))
    volume.add((slice(0, 2), slice(1, 3), slice(4, 5)), np.full((2, 2, 1), 7.0, np.float32))
    expected = np.full((3, 4, 5), -1, np.float32)
    expected[:2, 1:3, 4:] = 7
    np.testing.assert_array_equal(volume.whole(), expected, strict=True)


def test_each_whole_is_its_own():
    volume = BlockVolume((2, 2, 2), np.uint8(0))
    volume.whole()[:] = 1
    assert not volume.whole().any() and volume.whole().dtype == np.uint8
