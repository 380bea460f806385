"""Boxes, thinned grids and points of masks."""

import numpy as np
from geometry_cases import DIRECTIONS_LPS

from NePhiCore.geometry import ImageGeometry
from NePhiCore.voxel_views import box_of, mask_points_ras_mm, thinned_view, viewed_geometry


def _oblique(shape=(9, 10, 11), spacing=(0.7, 1.1, 2.5)) -> ImageGeometry:
    direction = np.diag([-1, -1, 1]) @ DIRECTIONS_LPS["oblique left-handed"]
    return ImageGeometry.from_spacing(shape, spacing, (3.0, -7.0, 11.0), direction)


def test_the_box_holds_the_mask_and_no_more():
    mask = np.zeros((6, 7, 8), bool)
    mask[2, 3, 4] = mask[4, 1, 4] = True
    assert box_of(mask) == (slice(2, 5), slice(1, 4), slice(4, 5))


def test_thinning_takes_the_whole_number_of_voxels_nearest_to_the_spacing():
    # 1.6 / (0.7, 1.1, 2.5) = 2.3, 1.45, 0.64 voxels along i, j, k.
    assert thinned_view(_oblique(), 1.6) == (slice(0, 9, 1), slice(0, 10, 1), slice(0, 11, 2))


def test_a_view_keeps_its_place_in_the_patient():
    geometry, view = _oblique(), (slice(1, 9, 3), slice(2, 10, 2), slice(0, 11, 4))
    viewed = viewed_geometry(geometry, view)
    assert viewed.shape_kji == (3, 4, 3)
    np.testing.assert_allclose(viewed.points_ras_mm(), geometry.points_ras_mm()[view], atol=1e-9)


def test_the_points_of_a_mask_are_its_voxel_centres():
    geometry = _oblique()
    mask = np.random.default_rng(0).random(geometry.shape_kji) < 0.2
    np.testing.assert_allclose(mask_points_ras_mm(mask, geometry, 10**6), geometry.points_ras_mm()[mask], atol=1e-9)


def test_too_many_points_are_thinned_the_same_way_each_time():
    geometry = _oblique()
    mask = np.ones(geometry.shape_kji, bool)
    chosen = mask_points_ras_mm(mask, geometry, 100)
    assert len(np.unique(chosen, axis=0)) == 100
    np.testing.assert_array_equal(chosen, mask_points_ras_mm(mask, geometry, 100))


def test_an_empty_mask_has_no_points():
    assert mask_points_ras_mm(np.zeros((9, 10, 11), bool), _oblique(), 5).shape == (0, 3)
