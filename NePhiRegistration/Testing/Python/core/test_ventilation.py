"""Ventilation of tissue whose volumes and densities are worked out by hand."""

import numpy as np
import pytest

from NePhiCore.ventilation import HIGHEST, LOWEST, air_change, exhale_volume, volume_change


def test_half_as_much_again_is_a_half_whichever_image_is_fixed():
    # A voxel of 2 mm^3 at exhale is 3 mm^3 at inhale: det J is 3/2 from exhale to inhale, 2/3 the other way.
    assert volume_change(np.array([3 / 2]), is_fixed_inhale=False) == pytest.approx(0.5)
    assert volume_change(np.array([2 / 3]), is_fixed_inhale=True) == pytest.approx(0.5)


def test_lung_that_shrinks_has_less():
    assert volume_change(np.array([0.8]), is_fixed_inhale=False) == pytest.approx(-0.2)
    assert volume_change(np.array([1 / 0.8]), is_fixed_inhale=True) == pytest.approx(-0.2)


def test_weights_are_volumes_at_exhale():
    determinant = np.array([0.5, 2.0])
    np.testing.assert_allclose(exhale_volume(determinant, is_fixed_inhale=False), [1, 1])
    np.testing.assert_allclose(exhale_volume(determinant, is_fixed_inhale=True), [0.5, 2])


def test_air_from_densities():
    # 1 ml at exhale at -800 HU holds 0.8 ml of air. Twice as large at inhale it is at -900 HU: 1.8 ml, one more.
    change = air_change(np.array([-800.0]), np.array([-900.0]))
    assert change == pytest.approx(1.0 / 0.8)
    # So many times the air at exhale, in the volume at exhale, is the change of volume.
    assert 0.8 * change == pytest.approx(volume_change(np.array([2.0]), is_fixed_inhale=False))


def test_same_density_is_no_change_and_denser_lung_has_lost_air():
    np.testing.assert_allclose(air_change(np.array([-850.0]), np.array([-850.0])), 0)
    # 0.9 ml of air and 0.1 of tissue; at -800 HU 0.4 ml of air go with that tissue.
    assert air_change(np.array([-900.0]), np.array([-800.0])) == pytest.approx((0.4 - 0.9) / 0.9)


def test_what_no_lung_does_is_held_within_limits():
    assert air_change(np.array([-700.0]), np.array([-1000.0])) == HIGHEST
    assert volume_change(np.array([1e-6]), is_fixed_inhale=True) == pytest.approx(HIGHEST)
    assert volume_change(np.array([1e-6]), is_fixed_inhale=False) == pytest.approx(LOWEST)
    assert LOWEST > -1  # what marks the outside
