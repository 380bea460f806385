import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore.morphology import Morphology, add_layer, bounding_box, dilate_by_ball, label_components

GRID = Morphology((2.0, 1.0, 0.5))


def point(shape=(9, 11, 15), at=(4, 5, 7)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[at] = True
    return mask


def test_distances_are_mm_along_each_axis():
    distance_mm = GRID.distance_to(point())
    assert distance_mm[6, 5, 7] == 4.0
    assert distance_mm[4, 8, 7] == 3.0
    assert distance_mm[4, 8, 15 - 0 - 0 - 1] == pytest.approx(np.hypot(3.0, 3.5))
    assert distance_mm[4, 5, 7] <= 0


def test_nothing_is_infinitely_far():
    assert np.isinf(GRID.distance_to(np.zeros((3, 3, 3), bool))).all()


def test_dilation_reaches_the_radius_in_mm():
    grown = GRID.dilate(point(), 2.0)
    assert grown[4].sum(axis=0).tolist() == [0] * 3 + [1, 3, 3, 3, 5, 3, 3, 3, 1] + [0] * 3
    assert grown[:, 5, 7].tolist() == [False] * 3 + [True] * 3 + [False] * 3


def test_the_edge_of_the_image_does_not_erode():
    mask = np.zeros((5, 8, 8), bool)
    mask[:, 2:, :] = True
    eroded = GRID.erode(mask, 1.0)
    assert not eroded[:, :3].any() and eroded[:, 3:].all()


def test_opening_removes_the_thread_and_keeps_the_block():
    mask = np.zeros((7, 20, 20), bool)
    mask[1:6, 2:12, 2:18] = True
    mask[3, 12:18, 9] = True
    opened = GRID.open(mask, 2.0)
    assert not opened[3, 14:18].any()
    assert opened[3, 4:10, 6:14].all()


def test_closing_fills_narrow_gaps_and_holes_only():
    mask = np.ones((7, 30, 30), bool)
    mask[:, 10:12, 5:] = False
    mask[:, 18:, 14:] = False
    mask[3, 3:6, 8:12] = False
    closed = GRID.close(mask, 2.0)
    assert closed[1:-1, 10:12, 9:20].all() and closed[3, 3:6, 8:12].all()
    assert not closed[:, 22:, 20:].any()


def test_labels_are_by_size_and_small_ones_are_left_out():
    mask = np.zeros((4, 10, 10), bool)
    mask[0, 0, :3], mask[2, :, :5], mask[0, 9, 9] = True, True, True
    labels = GRID.label(mask, minimum_ml=0.0015)
    assert labels[2, 0, 0] == 1 and labels[0, 0, 0] == 2 and labels[0, 9, 9] == 0
    assert label_components(mask).max() == 3


def test_bounding_box():
    mask = point() | point(at=(6, 2, 9))
    assert bounding_box(mask) == (slice(4, 7), slice(2, 6), slice(7, 10))


def some_points(shape, count=12, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    mask[tuple(rng.integers(0, n, count) for n in shape)] = True
    return mask


def itk(operation, mask: np.ndarray, radius, kernel=sitk.sitkBall) -> np.ndarray:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    return sitk.GetArrayFromImage(operation(image, list(radius)[::-1], kernel)) > 0


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.4, 2.3, 1.9), (2.5, 1.37, 1.37)])
@pytest.mark.parametrize("radius_mm", [0.5, 2.5, 3.5, 7.3])
def test_dilation_and_erosion_are_thresholds_of_the_distance(spacing_mm, radius_mm):
    grid, mask = Morphology(spacing_mm), some_points((22, 25, 27))
    np.testing.assert_array_equal(grid.dilate(mask, radius_mm), grid.distance_to(mask) <= radius_mm)
    block = grid.dilate(mask, 5.0)
    np.testing.assert_array_equal(grid.erode(block, radius_mm), grid.distance_to(~block) > radius_mm)


@pytest.mark.parametrize("radius", [(4, 4, 4), (3, 5, 5), (1, 2, 1), (2, 3)])
def test_a_ball_of_voxels_is_itks(radius):
    mask = some_points((20, 23, 26)[: len(radius)])
    np.testing.assert_array_equal(dilate_by_ball(mask, radius), itk(sitk.BinaryDilate, mask, radius))


def test_closing_is_itks_and_fills_holes():
    grid, mask = Morphology((2.0, 1.5, 2.0)), some_points((20, 23, 26), count=200)
    closed = itk(sitk.BinaryMorphologicalClosing, mask, (2, 3, 2))
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(closed.astype(np.uint8)))) > 0
    assert filled.sum() > 1.5 * mask.sum()
    np.testing.assert_array_equal(grid.close(mask, 4.0), filled)


def test_a_layer_is_added_at_corners_too_and_never_beyond_the_image():
    mask = some_points((9, 8, 7))
    np.testing.assert_array_equal(add_layer(mask), itk(sitk.BinaryDilate, mask, (1, 1, 1), sitk.sitkBox))
