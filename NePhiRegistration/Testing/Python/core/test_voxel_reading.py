"""Reading voxel arrays at fractional indices."""

import numpy as np
import pytest

from NePhiCore.geometry import ImageGeometry
from NePhiCore.voxel_reading import block_points, blocks, is_inside, read_block, read_nearest, read_trilinear, with_rim


def test_blocks_cover_every_voxel_once():
    visits = np.zeros((70, 3, 130), int)
    for block in blocks(visits.shape):
        visits[block] += 1
    assert (visits == 1).all()


def test_block_points_are_the_points_of_the_whole_grid():
    geometry = ImageGeometry((5, 6, 7), np.array([[0, 2, 0, 5], [1, 0, 0.5, 6], [0, 0, -3, 7], [0, 0, 0, 1]]))
    block = (slice(2, 5), slice(1, 4), slice(3, 7))
    np.testing.assert_allclose(block_points(geometry.ijk_to_ras, block), geometry.points_ras_mm()[block], atol=1e-12)


def test_trilinear_reads_between_voxels_in_the_order_i_j_k():
    k, j, i = np.meshgrid(*(np.arange(n) for n in (4, 5, 6)), indexing="ij")
    points_ijk = np.array([[4.5, 0.25, 2.0], [0, 4, 3], [1.125, 2.75, 0.5]])
    expected = points_ijk @ [1, 10, 100]
    np.testing.assert_allclose(read_trilinear((i + 10 * j + 100 * k).astype(np.int16), points_ijk), expected, rtol=1e-5)


def test_trilinear_of_a_product_of_the_indices_is_exact_within_a_cell():
    corners = np.zeros((2, 2, 2))
    corners[1, 1, 1] = 8.0
    # At (i, j, k) = (1/2, 1/4, 3/4) the far corner weighs 1/2 * 1/4 * 3/4.
    assert read_trilinear(corners, np.array([0.5, 0.25, 0.75])) == np.float32(0.75)


def test_trilinear_keeps_channels_and_the_shape_of_the_points():
    array = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    assert read_trilinear(array, np.zeros((2, 7, 3))).shape == (2, 7, 3)
    assert read_trilinear(array[..., 0], np.zeros((2, 7, 3))).shape == (2, 7)
    assert read_trilinear(array, np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(read_trilinear(array, np.array([5.0, 4.0, 3.0])), array[3, 4, 5])


def test_beyond_the_grid_the_edge_is_repeated():
    array = np.arange(24).reshape(2, 3, 4)
    far = np.array([[-50.0, 1, 1], [99, 99, 99], [-1e6, -1e6, -1e6]])
    np.testing.assert_allclose(read_trilinear(array, far), [16, 23, 0])
    np.testing.assert_array_equal(read_nearest(array, far), [16, 23, 0])


def test_a_read_only_reversed_array_is_read():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)[::-1, :, ::-1]
    array.setflags(write=False)
    assert read_trilinear(array, np.zeros(3)) == 15


def test_nearest_keeps_the_type_and_rounds_to_the_closest_centre():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    values = read_nearest(array, np.array([[0.4, 0.6, 0.4], [2.51, 0, 0.51]]))
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values, [4, 15])


def test_the_image_ends_half_a_voxel_beyond_the_outermost_centres():
    points_ijk = np.array([[-0.49, 0, 0], [-0.51, 0, 0], [3.49, 2.49, 1.49], [0, 2.51, 0], [0, 0, 1.51]])
    np.testing.assert_array_equal(is_inside((2, 3, 4), points_ijk), [True, False, True, False, False])


@pytest.mark.parametrize("shape", [(9, 8, 7), (1, 8, 7), (1, 1, 1)])
@pytest.mark.parametrize("turn", [0.0, 0.1], ids=["along the axes", "turned"])
@pytest.mark.parametrize("steps", [(0.6, 0.9, 1.0), (-0.7, 2.5, 0.3)])
def test_a_block_is_read_as_its_points_are(shape, turn, steps):
    """Along the axes of the array or not, flipped, beyond its grid on both sides; vectors and numbers."""
    array = np.random.default_rng(0).normal(size=(*shape, 3)).astype(np.float32)
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = (3.3, -1.2, 4.6)
    matrix[0, 1] = turn
    block = (slice(1, 9), slice(0, 6), slice(2, 12))
    expected = read_trilinear(array, block_points(matrix, block))
    np.testing.assert_allclose(read_block(array, matrix, block), expected, atol=2e-6)
    whole_numbers = (100 * array[..., 0]).astype(np.int16)
    expected = read_trilinear(whole_numbers, block_points(matrix, block))
    np.testing.assert_allclose(read_block(whole_numbers, matrix, block), expected, atol=1e-4)


def test_a_block_gets_a_rim_where_the_grid_goes_on():
    wide, inner = with_rim((slice(0, 4), slice(4, 8), slice(8, 10)), (4, 12, 10))
    assert wide == (slice(0, 4), slice(3, 9), slice(7, 10))
    assert inner == (slice(0, 4), slice(1, 5), slice(1, 3))
