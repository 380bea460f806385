"""Boxes, thinned grids and points of masks."""

import numpy as np
import pytest
from geometry_cases import DIRECTIONS_LPS

from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.voxel_views import box_of, mask_points_ras_mm, nodes_around, thinned_view, viewed_geometry


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


@pytest.mark.parametrize("spacing_mm", [0.9, 1.7, 2.5, 4.0, 30.0])
def test_the_nodes_around_a_mask_are_those_that_reading_in_it_touches(spacing_mm):
    """Every voxel of the mask lies between nodes of the other grid that are marked; far ones are not."""
    geometry = ImageGeometry.from_spacing((13, 17, 1), (5.0, 1.0, 2.5))
    other = geometry.with_spacing(spacing_mm)
    mask = np.zeros(geometry.shape_kji, bool)
    mask[4:6, 3, 0] = mask[12, 16, 0] = True
    nodes = nodes_around(mask, other.shape_kji)
    assert nodes.shape == other.shape_kji and nodes.dtype == bool
    touched = np.zeros(other.shape_kji, bool)
    for k, j, i in np.argwhere(mask):
        place = np.array([k, j, i]) * (np.array(other.shape_kji) - 1) / np.maximum(np.array(mask.shape) - 1, 1)
        low, high = np.floor(place + 1e-6).astype(int), np.ceil(place - 1e-6).astype(int)
        touched[tuple(slice(a, b + 1) for a, b in zip(low, high))] = True
    assert nodes[touched].all()
    marked_mm = transform_points(other.ijk_to_ras, np.argwhere(nodes)[:, ::-1])
    mask_mm = transform_points(geometry.ijk_to_ras, np.argwhere(mask)[:, ::-1])
    apart = np.abs(marked_mm[:, None] - mask_mm).min(1)
    assert (apart <= geometry.spacing_mm + other.spacing_mm).all()


def test_nothing_has_no_nodes_around_it_and_everything_has_all():
    assert not nodes_around(np.zeros((9, 8, 7), bool), (4, 5, 20)).any()
    assert nodes_around(np.ones((9, 8, 7), bool), (4, 5, 20)).all()
