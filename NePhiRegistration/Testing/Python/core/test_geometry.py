"""Voxel grids in the patient: RAS, LAS, LPS and an oblique left-handed one, against numbers worked out by hand."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import (
    DIRECTIONS_LPS,
    ORIGIN_LPS_MM,
    SIZE_IJK,
    SPACING_MM,
    every_direction,
    itk_points_ras_mm,
    place,
)
from hypothesis import given
from hypothesis import strategies as st

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry, transform_points

ORIGIN_RAS_MM = np.array([-ORIGIN_LPS_MM[0], -ORIGIN_LPS_MM[1], ORIGIN_LPS_MM[2]])


def grid(direction_lps, shape=SIZE_IJK[::-1], spacing=SPACING_MM) -> ImageGeometry:
    return ImageGeometry.from_spacing(shape, spacing, ORIGIN_RAS_MM, np.diag([-1, -1, 1]) @ direction_lps)


@pytest.mark.parametrize(
    ("name", "expected_ras_mm"),
    [
        # voxel (i, j, k) = (2, 3, 4) lies 1.4, 3.3 and 10 mm along its axes from (36.25, -120.5, -1204.75)
        ("RAS", (37.65, -117.2, -1194.75)),
        ("LAS", (34.85, -117.2, -1194.75)),
        ("LPS", (34.85, -123.8, -1194.75)),
    ],
)
def test_a_voxel_lies_where_its_axes_lead(name, expected_ras_mm):
    geometry = grid(DIRECTIONS_LPS[name])
    np.testing.assert_allclose(transform_points(geometry.ijk_to_ras, np.array([2, 3, 4])), expected_ras_mm)
    np.testing.assert_allclose(transform_points(geometry.ras_to_ijk, np.array(expected_ras_mm)), [2, 3, 4], atol=1e-12)
    np.testing.assert_allclose(geometry.points_ras_mm()[4, 3, 2], expected_ras_mm)


@every_direction
def test_every_voxel_lies_where_itk_says(direction_lps):
    image = place(sitk.Image(SIZE_IJK, sitk.sitkUInt8), direction_lps)
    np.testing.assert_allclose(grid(direction_lps).points_ras_mm(), itk_points_ras_mm(image), atol=1e-9)


@every_direction
def test_there_and_back_is_the_same_index(direction_lps):
    geometry = grid(direction_lps)
    points_ijk = np.random.default_rng(0).uniform(-20, 20, (50, 3))
    points_ras_mm = transform_points(geometry.ijk_to_ras, points_ijk)
    np.testing.assert_allclose(transform_points(geometry.ras_to_ijk, points_ras_mm), points_ijk, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "is_left_handed"), [("RAS", False), ("LAS", True), ("LPS", False), ("oblique left-handed", True)]
)
def test_what_was_put_in_comes_out(name, is_left_handed):
    geometry = grid(DIRECTIONS_LPS[name])
    assert geometry.is_left_handed is is_left_handed
    assert geometry.shape_kji == (9, 10, 11)
    assert geometry.voxel_count == 990
    assert geometry.voxel_volume_mm3 == pytest.approx(0.7 * 1.1 * 2.5)
    np.testing.assert_allclose(geometry.spacing_mm, SPACING_MM)
    np.testing.assert_allclose(geometry.origin_ras_mm, ORIGIN_RAS_MM)
    np.testing.assert_allclose(geometry.direction, np.diag([-1, -1, 1]) @ DIRECTIONS_LPS[name], atol=1e-15)


@every_direction
def test_corners_are_the_outermost_voxel_centres(direction_lps):
    geometry = grid(direction_lps)
    points = geometry.points_ras_mm()
    expected = [points[k, j, i] for i, j, k in product((0, -1), repeat=3)]
    np.testing.assert_allclose(geometry.corners_ras_mm(), expected, atol=1e-9)


def test_a_matrix_sheared_by_a_tilted_gantry_is_kept():
    matrix = np.array([[0, 2, 0, 5], [1, 0, 0.5, 6], [0, 0, -3, 7], [0, 0, 0, 1]])
    geometry = ImageGeometry((5, 6, 7), matrix)
    np.testing.assert_allclose(transform_points(geometry.ijk_to_ras, np.array([1, 2, 4])), [9, 9, -5])
    assert geometry.voxel_volume_mm3 == pytest.approx(6)
    np.testing.assert_allclose(geometry.spacing_mm, [1, 2, np.sqrt(9.25)])


def test_the_matrix_cannot_be_changed_afterwards():
    matrix = np.eye(4)
    geometry = ImageGeometry([2, 2, 2], matrix)
    matrix[0, 3] = 99
    np.testing.assert_array_equal(geometry.ijk_to_ras, np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        geometry.ijk_to_ras[0, 3] = 1


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4)])
def test_transform_points_takes_points_of_any_shape(shape):
    matrix = np.array([[1, 2, 3, 10], [4, 5, 6, 20], [7, 8, 10, 30], [0, 0, 0, 1.0]])
    points = np.random.default_rng(0).normal(size=(*shape, 3))
    x, y, z = np.moveaxis(points, -1, 0)
    expected = [x + 2 * y + 3 * z + 10, 4 * x + 5 * y + 6 * z + 20, 7 * x + 8 * y + 10 * z + 30]
    np.testing.assert_allclose(transform_points(matrix, points), np.moveaxis(expected, 0, -1))


@every_direction
@pytest.mark.parametrize("spacing_mm", [0.5, 0.7, 1.0, 2.5, 3.0, 50.0])
def test_another_spacing_covers_exactly_the_same_field_of_view(direction_lps, spacing_mm):
    """Corner on corner, and with as few voxels as the upper bound of the spacing allows."""
    geometry = grid(direction_lps)
    other = geometry.with_spacing(spacing_mm)
    np.testing.assert_allclose(other.corners_ras_mm(), geometry.corners_ras_mm(), atol=1e-9)
    np.testing.assert_allclose(other.direction, geometry.direction, atol=1e-12)
    steps = np.array(other.shape_kji[::-1]) - 1
    assert (other.spacing_mm <= spacing_mm * (1 + 1e-9)).all()
    assert ((steps == 1) | (other.spacing_mm * steps > spacing_mm * (steps - 1) * (1 + 1e-9))).all()


def test_a_spacing_that_divides_the_extent_is_met():
    # 10, 9 and 8 steps of 0.7, 1.1 and 2.5 mm: 7, 9.9 and 20 mm
    other = grid(DIRECTIONS_LPS["RAS"]).with_spacing(3.5)
    assert other.shape_kji == (7, 4, 3)
    np.testing.assert_allclose(other.spacing_mm, [3.5, 3.3, 20 / 6])


@given(
    steps=st.lists(st.integers(1, 600), min_size=3, max_size=3),
    spacing_mm=st.sampled_from([0.1, 0.3, 0.7, 0.703125, 1.1, 1 / 3, 2.5]),
)
def test_the_own_spacing_gives_the_own_grid_whatever_the_rounding(steps, spacing_mm):
    geometry = ImageGeometry.from_spacing([n + 1 for n in steps], (spacing_mm,) * 3, ORIGIN_RAS_MM)
    assert geometry.with_spacing(spacing_mm).is_same_grid(geometry)


def test_an_axis_of_one_voxel_stays_as_it_is():
    geometry = grid(DIRECTIONS_LPS["oblique left-handed"], shape=(1, 10, 11))
    other = geometry.with_spacing(2.0)
    assert other.shape_kji[0] == 1 and other.spacing_mm[2] == pytest.approx(2.5)
    np.testing.assert_allclose(other.corners_ras_mm(), geometry.corners_ras_mm(), atol=1e-9)


def test_grids_are_the_same_within_the_tolerance_at_every_corner():
    geometry = ImageGeometry.from_spacing((9, 10, 101), (1, 1, 1))
    assert geometry.is_same_grid(ImageGeometry.from_spacing((9, 10, 101), (1, 1, 1), (0, 0, 9e-4)))
    assert not geometry.is_same_grid(ImageGeometry.from_spacing((9, 10, 101), (1, 1, 1), (0, 0, 1.1e-3)))
    assert not geometry.is_same_grid(ImageGeometry.from_spacing((9, 10, 100), (1, 1, 1)))
    # 2e-5 mm a voxel is 2e-3 mm at the far corner.
    stretched = ImageGeometry.from_spacing((9, 10, 101), (1 + 2e-5, 1, 1))
    assert not geometry.is_same_grid(stretched)
    assert geometry.is_same_grid(stretched, tolerance_mm=3e-3)


def test_a_flipped_grid_over_the_same_points_is_another_grid():
    geometry = ImageGeometry.from_spacing((4, 4, 4), (1, 1, 1))
    flipped = ImageGeometry.from_spacing((4, 4, 4), (1, 1, 1), (3, 0, 0), np.diag([-1, 1, 1]))
    assert not geometry.is_same_grid(flipped)


@pytest.mark.parametrize("spacing_mm", [(0, 1, 1), (1, -1, 1), (1, 1, np.nan), 0, -2.0])
def test_a_spacing_that_is_not_positive_is_refused(spacing_mm):
    with pytest.raises(InvalidVolumeError, match="spacing must be positive.*Correct the image header"):
        ImageGeometry.from_spacing((4, 4, 4), spacing_mm)


def test_one_spacing_stands_for_all_three_axes():
    np.testing.assert_array_equal(ImageGeometry.from_spacing((4, 4, 4), 2.0).spacing_mm, [2, 2, 2])


def with_entry(row: int, column: int, value: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "cause"),
    [
        (np.eye(3), "4 x 4 and finite"),
        (with_entry(0, 3, np.nan), "4 x 4 and finite"),
        (with_entry(1, 1, np.inf), "4 x 4 and finite"),
        (with_entry(2, 2, 0.0), "positive and axes independent, got spacing .*0.0. mm. Correct the image header"),
        (np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "axes independent"),
    ],
    ids=["3 x 3", "NaN", "infinite", "no spacing", "two axes alike"],
)
def test_a_matrix_that_places_no_voxels_is_refused(matrix, cause):
    with pytest.raises(InvalidVolumeError, match=cause):
        ImageGeometry((4, 4, 4), matrix)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 4), (0, 4, 4), (4, 4, -1)])
def test_a_shape_that_is_no_image_is_refused(shape):
    with pytest.raises(InvalidVolumeError, match="three dimensions"):
        ImageGeometry(shape, np.eye(4))


def test_voxels_of_a_micrometre_are_voxels():
    assert ImageGeometry.from_spacing((4, 4, 4), 1e-3).voxel_volume_mm3 == pytest.approx(1e-9)
