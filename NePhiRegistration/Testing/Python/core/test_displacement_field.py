"""Displacement fields against affine maps, whose samples, compositions and inverses are known exactly."""

import numpy as np
import pytest
from geometry_cases import DIRECTIONS_LPS, every_direction

from NePhiCore.displacement_field import (
    DisplacementField,
    compose,
    identity_field,
    inverse_consistency_mm,
    map_points,
    sample,
    sample_on,
    warp_mask,
    warp_volume,
)
from NePhiCore.errors import InvalidTransformError, InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.inverse_correction import corrected_inverse
from NePhiCore.volume import Volume

SPACING_MM = (1.5, 2.0, 3.0)
SHAPE_KJI = (10, 12, 14)
STRETCH = np.array([[1.10, 0.05, 0.00], [-0.04, 0.90, 0.08], [0.02, 0.00, 1.20]])
SHIFT_MM = np.array([3.0, -2.0, 1.0])


def grid(direction_lps, shape=SHAPE_KJI, spacing=SPACING_MM, centre_ras_mm=(10.0, -20.0, 30.0)) -> ImageGeometry:
    direction_ras = np.diag([-1, -1, 1]) @ direction_lps
    origin = centre_ras_mm - direction_ras @ (np.array(spacing) * (np.array(shape[::-1]) - 1) / 2)
    return ImageGeometry.from_spacing(shape, spacing, origin, direction_ras)


def affine_field(geometry: ImageGeometry, matrix=STRETCH, shift_mm=SHIFT_MM) -> DisplacementField:
    points = geometry.points_ras_mm()
    return DisplacementField(points @ matrix.T + shift_mm - points, geometry)


def points_within(geometry: ImageGeometry, count: int = 200) -> np.ndarray:
    ijk = np.random.default_rng(1).random((count, 3)) * (np.array(geometry.shape_kji[::-1]) - 1)
    return ijk @ geometry.ijk_to_ras[:3, :3].T + geometry.origin_ras_mm


def constant_field(displacement_ras_mm, geometry: ImageGeometry) -> DisplacementField:
    return DisplacementField(np.broadcast_to(displacement_ras_mm, (*geometry.shape_kji, 3)), geometry)


def test_the_shape_must_be_that_of_the_grid():
    geometry = grid(np.eye(3))
    with pytest.raises(InvalidTransformError, match=r"\(10, 12, 14, 3\), got \(14, 12, 10, 3\)"):
        DisplacementField(np.zeros((14, 12, 10, 3)), geometry)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_must_be_finite(bad):
    displacement = np.zeros((*SHAPE_KJI, 3))
    displacement[1, 2, 3, 0] = bad
    with pytest.raises(InvalidTransformError, match="1 of 5040"):
        DisplacementField(displacement, grid(np.eye(3)))


def test_the_field_is_float32_and_takes_a_read_only_view():
    field = constant_field([1, 2, 3], grid(np.eye(3)))
    assert field.displacement_ras_mm.dtype == np.float32
    np.testing.assert_allclose(sample(field, points_within(field.geometry)), np.tile([1, 2, 3], (200, 1)), rtol=1e-6)


@every_direction
def test_an_affine_map_is_sampled_exactly_between_voxels(direction_lps):
    field = affine_field(grid(direction_lps))
    points = points_within(field.geometry)
    np.testing.assert_allclose(map_points(field, points), points @ STRETCH.T + SHIFT_MM, atol=1e-4)


@every_direction
def test_outside_the_grid_the_edge_displacement_is_repeated(direction_lps):
    field = affine_field(grid(direction_lps))
    last = field.geometry.points_ras_mm()[-1, 4, 5]
    beyond = last + 500 * field.geometry.direction[:, 2]
    np.testing.assert_allclose(sample(field, beyond[None]), field.displacement_ras_mm[-1:, 4, 5], atol=1e-4)


def test_the_identity_moves_nothing_anywhere():
    points = np.array([[0.0, 0, 0], [1e4, -1e4, 55.5]])
    np.testing.assert_array_equal(map_points(identity_field(), points), points)


def test_no_points_are_no_displacements():
    assert sample(identity_field(), np.zeros((0, 3))).shape == (0, 3)


@every_direction
def test_a_field_sampled_on_another_grid_is_the_same_map(direction_lps):
    field = affine_field(grid(np.eye(3), shape=(30, 40, 50)))
    small = grid(direction_lps, shape=(5, 6, 7), spacing=(2.0, 1.0, 2.5))
    expected = affine_field(small).displacement_ras_mm
    np.testing.assert_allclose(sample_on(field, small).displacement_ras_mm, expected, atol=1e-4)


@every_direction
def test_composition_of_affine_maps_is_their_product(direction_lps):
    outer_matrix, outer_shift = STRETCH.T, np.array([-1.0, 4.0, 2.0])
    inner = affine_field(grid(direction_lps))
    outer = affine_field(grid(np.eye(3), shape=(60, 60, 60)), outer_matrix, outer_shift)
    composed = compose(outer, inner)
    points = points_within(inner.geometry)
    expected = (points @ STRETCH.T + SHIFT_MM) @ outer_matrix.T + outer_shift
    assert composed.geometry is inner.geometry
    np.testing.assert_allclose(map_points(composed, points), expected, atol=1e-4)


@every_direction
def test_exact_inverses_return_to_where_they_started(direction_lps):
    forward = affine_field(grid(direction_lps))
    inverse = np.linalg.inv(STRETCH)
    backward = affine_field(grid(np.eye(3), shape=(60, 60, 60)), inverse, -inverse @ SHIFT_MM)
    assert inverse_consistency_mm(forward, backward, points_within(forward.geometry)).max() < 1e-4


def test_the_inverse_consistency_error_is_the_length_of_what_is_missing():
    geometry = grid(np.eye(3))
    forward, backward = constant_field([3, 4, 12], geometry), constant_field([-3, 0, -12], geometry)
    np.testing.assert_allclose(inverse_consistency_mm(forward, backward, np.zeros((5, 3))), 4.0, atol=1e-5)


@every_direction
def test_an_inverse_is_corrected_to_the_square_of_its_error(direction_lps):
    """Off by a shift it becomes exact; off by a stretch E, what is left is E squared."""
    fixed, moving = grid(direction_lps, (20, 22, 24)), grid(direction_lps, (16, 18, 20))
    forward, inverse = affine_field(fixed), np.linalg.inv(STRETCH)
    points = points_within(grid(direction_lps, (6, 6, 6)))
    for stretch, shift_mm, expected_mm in ((np.eye(3), [0.4, -0.3, 0.5], 1e-4), (np.eye(3) * 1.02, [0, 0, 0], 0.04)):
        guess = affine_field(moving, stretch @ inverse, shift_mm - stretch @ inverse @ SHIFT_MM)
        before = inverse_consistency_mm(guess, forward, points)
        after = inverse_consistency_mm(corrected_inverse(guess, forward), forward, points)
        assert before.max() > 0.5
        assert after.max() < expected_mm
        stepwise = corrected_inverse(corrected_inverse(guess, forward), forward)
        at_once = corrected_inverse(guess, forward, steps=2)
        np.testing.assert_array_equal(at_once.displacement_ras_mm, stepwise.displacement_ras_mm)


@every_direction
def test_a_displacement_to_the_right_shows_what_lies_further_right(direction_lps):
    """fixed_to_moving of +10 mm R: the warped value at p is moving(p + 10 R), so R + 10 in an image of R itself."""
    geometry = grid(direction_lps, shape=(20, 22, 24))
    points = geometry.points_ras_mm()
    moving = Volume(points[..., 0].astype(np.float32), geometry)
    warped = warp_volume(moving, constant_field([10, 0, 0], geometry), geometry)
    deep = (slice(8, 12), slice(9, 13), slice(10, 14))
    np.testing.assert_allclose(warped[deep], points[deep][..., 0] + 10, atol=1e-3)


@every_direction
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_by_whole_voxels_is_a_shift_of_the_array(direction_lps, axis):
    shape = (9, 70, 11)
    geometry = grid(direction_lps, shape=shape)
    moving = Volume(np.random.default_rng(0).integers(-1000, 2000, shape).astype(np.int16), geometry)
    along = np.moveaxis(moving.hu, 2 - axis, 0)
    field = constant_field(3 * SPACING_MM[axis] * geometry.direction[:, axis], geometry)
    warped = np.moveaxis(warp_volume(moving, field, geometry), 2 - axis, 0)
    assert warped.dtype == np.int16
    np.testing.assert_array_equal(warped[:-3], along[3:])
    assert (warped[-3:] == -1000).all()


def test_images_on_different_grids_are_compared_in_the_patient():
    """Moving, fixed and field each on a grid of its own; the image is a plane wave front, linear in the patient."""
    slope = np.array([3.0, -2.0, 1.0])
    moving_grid = grid(np.eye(3), shape=(40, 40, 40), spacing=(2.0, 2.0, 2.0))
    fixed_grid = grid(DIRECTIONS_LPS["oblique left-handed"])
    moving = Volume((moving_grid.points_ras_mm() @ slope).astype(np.float32), moving_grid)
    field = affine_field(grid(DIRECTIONS_LPS["LAS"], shape=(30, 30, 30)))
    expected = (fixed_grid.points_ras_mm() @ STRETCH.T + SHIFT_MM) @ slope
    np.testing.assert_allclose(warp_volume(moving, field, fixed_grid), expected, atol=5e-3)


def test_outside_is_air_or_the_minimum_of_an_image_without_air():
    geometry = grid(np.eye(3))
    away = constant_field([1e4, 0, 0], geometry)
    ct = Volume(np.linspace(-1024, 3000, 10 * 12 * 14).reshape(SHAPE_KJI), geometry)
    scaled = Volume(np.linspace(0, 1, 10 * 12 * 14).reshape(SHAPE_KJI), geometry)
    assert (warp_volume(ct, away, geometry) == -1000).all()
    assert (warp_volume(scaled, away, geometry) == 0).all()
    assert (warp_volume(ct, away, geometry, fill=-5) == -5).all()


def test_fractions_are_kept_where_the_voxels_or_the_fill_are_no_integers():
    geometry = grid(np.eye(3))
    whole = Volume(np.arange(10 * 12 * 14).reshape(SHAPE_KJI), geometry)
    away = constant_field([1e4, 0, 0], geometry)
    assert warp_volume(Volume(whole.hu + 0.5, geometry), away, geometry).dtype == np.float32
    assert np.isnan(warp_volume(whole, away, geometry, fill=np.nan)).all()


def test_a_mask_moves_with_its_image_and_ends_at_its_border():
    geometry = grid(DIRECTIONS_LPS["RAS"])
    mask = np.zeros(SHAPE_KJI, np.uint8)
    mask[2:5, 3:9, 9:14] = 1
    # 3.2 mm are 2.13 voxels of 1.5 mm: the nearest voxel is the second.
    warped = warp_mask(mask, geometry, constant_field([3.2, 0, 0], geometry), geometry)
    expected = np.zeros(SHAPE_KJI, bool)
    expected[2:5, 3:9, 7:12] = True
    assert warped.dtype == bool
    np.testing.assert_array_equal(warped, expected)


def test_a_mask_on_another_grid_than_its_image_is_refused():
    geometry = grid(np.eye(3))
    with pytest.raises(InvalidVolumeError, match="same grid"):
        warp_mask(np.zeros((3, 3, 3), bool), geometry, identity_field(), geometry)
