"""Similarity figures against their definitions."""

import numpy as np
import pytest

from NePhiCore.similarity_measures import local_ncc, mean_absolute_difference, similarity_ncc

RNG = np.random.default_rng(3)
IMAGE = RNG.normal(-700, 150, (40, 7, 8))
OTHER = RNG.normal(-700, 150, IMAGE.shape)
MASK = RNG.random(IMAGE.shape) < 0.6


def test_ncc_is_one_for_a_brighter_copy_and_minus_one_for_a_negative():
    assert similarity_ncc(IMAGE, 3 * IMAGE + 40, MASK) == pytest.approx(1)
    assert similarity_ncc(IMAGE, -IMAGE, MASK) == pytest.approx(-1)


def test_ncc_is_the_correlation_over_the_mask_alone():
    outside_changed = np.where(MASK, OTHER, 9999)
    assert similarity_ncc(IMAGE, outside_changed, MASK) == pytest.approx(np.corrcoef(IMAGE[MASK], OTHER[MASK])[0, 1])


def test_ncc_of_a_constant_is_zero():
    assert similarity_ncc(IMAGE, np.full_like(IMAGE, -1000), MASK) == 0


def test_the_mean_absolute_difference_is_over_the_mask_and_does_not_overflow():
    fixed, warped = np.full((2, 2, 2), -30000, np.int16), np.full((2, 2, 2), 30000, np.int16)
    warped[0] = -30010
    mask = np.zeros((2, 2, 2), bool)
    mask[0] = mask[1, 0, 0] = True
    assert mean_absolute_difference(fixed, warped, mask) == pytest.approx((4 * 10 + 60000) / 5)


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.0, 1.7, 5.0)])
def test_local_ncc_is_the_mean_correlation_in_a_box_around_each_voxel_of_the_mask(spacing_mm):
    window_mm = 6.0
    radii = [max(1, round((window_mm / s - 1) / 2)) for s in spacing_mm[::-1]]
    expected = []
    for voxel in np.argwhere(MASK):
        box = tuple(slice(max(0, v - r), v + r + 1) for v, r in zip(voxel, radii))
        a, b = IMAGE[box][MASK[box]], OTHER[box][MASK[box]]
        structured = min(a.std(), b.std()) > 1
        expected.append(np.corrcoef(a, b)[0, 1] if structured else 0.0)
    assert local_ncc(IMAGE, OTHER, MASK, np.array(spacing_mm), window_mm) == pytest.approx(np.mean(expected), abs=1e-4)


def test_local_ncc_forgives_what_differs_slowly_and_ncc_does_not():
    shaded = IMAGE + np.linspace(0, 4000, 40)[:, None, None]
    assert local_ncc(IMAGE, shaded, MASK, np.ones(3), 3.0) > 0.75
    assert similarity_ncc(IMAGE, shaded, MASK) < 0.3


def test_local_ncc_of_a_constant_is_zero():
    assert local_ncc(IMAGE, np.full_like(IMAGE, -1000), MASK, np.ones(3), 5.0) == 0
