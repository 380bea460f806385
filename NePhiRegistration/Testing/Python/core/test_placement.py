"""Cubes on lungs, and what an initial transform says, against maps written down by hand."""

from functools import partial

import numpy as np
import pytest
from geometry_cases import DIRECTIONS_LPS, every_direction

from NePhiCore.displacement_field import DisplacementField, map_points
from NePhiCore.errors import InvalidTransformError, InvalidVolumeError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.placement import KNOWN_SIZE, place_pair
from NePhiCore.preprocessing import place_cube
from NePhiCore.sampling import cube_grid, read_image
from NePhiCore.transform_io import InitialTransform
from NePhiCore.volume import Volume

SIZE, SPACING_MM = 40, 5.0
SHIFT_MM = np.array([14.0, -9.0, 22.0])
AFFINE = np.array([[1.1, 0.1, 0, 14.0], [-0.1, 0.95, 0.05, -9.0], [0, 0.1, 0.9, 22.0], [0, 0, 0, 1]])


def a_scan(centre_mm=(0, 0, 0), direction_lps=DIRECTIONS_LPS["RAS"]) -> tuple[Volume, np.ndarray]:
    """An image of 195 mm a side around a centre, and an ellipsoid of lung in its middle."""
    direction = np.diag([-1, -1, 1]) @ direction_lps
    origin = np.asarray(centre_mm) - direction @ np.full(3, (SIZE - 1) / 2 * SPACING_MM)
    geometry = ImageGeometry.from_spacing((SIZE,) * 3, (SPACING_MM,) * 3, origin, direction)
    lungs = (((geometry.points_ras_mm() - centre_mm) / (50, 40, 60)) ** 2).sum(-1) < 1
    return Volume(np.where(lungs, -800, 40).astype(np.int16), geometry), lungs


def linear(matrix) -> InitialTransform:
    return InitialTransform((partial(transform_points, np.asarray(matrix)),), np.asarray(matrix))


def as_field(mapping) -> InitialTransform:
    """A displacement field of the map on a grid of 8 mm that covers the scans."""
    geometry = ImageGeometry.from_spacing((40, 40, 40), (8.0, 8.0, 8.0), (-156.0, -156.0, -156.0))
    points = geometry.points_ras_mm()
    return InitialTransform((partial(map_points, DisplacementField(mapping(points) - points, geometry)),), None)


def a_bend(points_ras_mm) -> np.ndarray:
    """The affine map and a bulge of up to 6 mm."""
    bulge = 6 * np.exp(-(points_ras_mm**2).sum(-1) / 60**2)
    return transform_points(AFFINE, points_ras_mm) + bulge[..., None] * [0.0, 0.6, 0.8]


def place(fixed, moving, initial=None):
    return place_pair(fixed[0], moving[0], fixed[1], moving[1], initial)


def start_map(placement, points_norm) -> np.ndarray:
    """Where the placement alone takes points of the fixed cube, RAS mm: through the known part and the moving cube."""
    if placement.known is not None:
        points_norm = points_norm + read_image(placement.known, points_norm)
    return transform_points(placement.moving_norm_to_ras, points_norm[0].double().numpy())


def lattice(size=KNOWN_SIZE):
    return cube_grid((size,) * 3).reshape(1, -1, 3)


@every_direction
def test_without_a_transform_lung_box_lies_on_lung_box(direction_lps):
    fixed, moving = a_scan(direction_lps=direction_lps), a_scan(SHIFT_MM)
    placement = place(fixed, moving)
    np.testing.assert_array_equal(placement.fixed_norm_to_ras, place_cube(fixed[1], fixed[0].geometry))
    np.testing.assert_array_equal(placement.moving_norm_to_ras, place_cube(moving[1], moving[0].geometry))
    np.testing.assert_allclose(placement.moving_norm_to_ras[:3, 3], SHIFT_MM, atol=1e-9)
    assert placement.known is None


@every_direction
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_images_beside_each_other_are_refused_and_their_places_said(direction_lps, axis, side):
    shift = np.zeros(3)
    shift[axis] = 400.0 * side
    with pytest.raises(InvalidVolumeError, match="do not overlap in space.*--initial-transform") as error:
        place(a_scan(direction_lps=direction_lps), a_scan(shift))
    box = a_scan(shift)[0].geometry.corners_ras_mm()
    assert f"[{box.min(0)[axis]:.0f}, {box.max(0)[axis]:.0f}]" in str(error.value)


def test_the_smallest_overlap_is_enough_and_touching_is_not():
    """The images reach 97.5 mm to each side."""
    assert place(a_scan(), a_scan((194.0, 0, 0))).known is None
    with pytest.raises(InvalidVolumeError, match="do not overlap"):
        place(a_scan(), a_scan((195.0, 0, 0)))


def test_a_transform_says_how_images_that_do_not_overlap_belong_together():
    far = np.eye(4)
    far[:3, 3] = (1000.0, 0, 0)
    placement = place(a_scan(), a_scan((1000.0, 0, 0)), linear(far))
    np.testing.assert_allclose(placement.moving_norm_to_ras, far @ placement.fixed_norm_to_ras)


@every_direction
def test_the_moving_cube_is_the_fixed_one_carried_by_an_affine_transform(direction_lps):
    fixed = a_scan(direction_lps=direction_lps)
    placement = place(fixed, a_scan(SHIFT_MM), linear(AFFINE))
    np.testing.assert_array_equal(placement.fixed_norm_to_ras, place_cube(fixed[1], fixed[0].geometry))
    np.testing.assert_allclose(placement.moving_norm_to_ras, AFFINE @ placement.fixed_norm_to_ras)
    assert placement.known is None


def test_the_affine_part_of_a_displacement_field_is_found():
    """A field that is affine through and through: the cube follows it, nothing is left over."""
    placement = place(a_scan(), a_scan(SHIFT_MM), as_field(partial(transform_points, AFFINE)))
    np.testing.assert_allclose(placement.moving_norm_to_ras, AFFINE @ placement.fixed_norm_to_ras, atol=1e-3)
    assert placement.known.shape == (1, 3, KNOWN_SIZE, KNOWN_SIZE, KNOWN_SIZE)
    np.testing.assert_allclose(placement.known, 0, atol=1e-5)


@every_direction
def test_cube_and_rest_together_are_the_transform(direction_lps):
    """At the samples of the field that holds the rest within 1e-3 mm, between them within a tenth of the bulge's 6 mm.

    The field itself is read through its own grid: it is the map to be reproduced, not the formula.
    """
    fixed, moving = a_scan(direction_lps=direction_lps), a_scan(SHIFT_MM)
    initial = as_field(a_bend)
    placement = place(fixed, moving, initial)
    expected = initial.map_points_ras_mm(transform_points(placement.fixed_norm_to_ras, lattice()[0].double().numpy()))
    np.testing.assert_allclose(start_map(placement, lattice()), expected, atol=1e-3)
    between = lattice(13) * 0.9
    true = a_bend(transform_points(placement.fixed_norm_to_ras, between[0].double().numpy()))
    np.testing.assert_allclose(start_map(placement, between), true, atol=0.6)
    assert np.abs(placement.known.numpy()).max() > 0.01


def test_the_known_displacement_is_in_the_order_of_the_cube():
    """No affine fit can follow a wave along S: what is left is along z, the first of the three channels."""
    placement = place(a_scan(), a_scan(), as_field(lambda p: p + np.sin(p[..., 2:] / 15) * [0, 0, 4.0]))
    along_z, across = placement.known[0, 0], placement.known[0, 1:]
    assert along_z.std() > 0.01 and across.abs().max() < 1e-4
    assert along_z[:, 0, 0].std() > 0.01, "it changes along z"
    assert along_z.flatten(1).std(1).max() < 1e-3, "and is the same across it"


@pytest.mark.parametrize(
    "scale",
    [(-1.0, 1.0, 1.0), (1.0, 1.0, 0.01), (3.0, 3.0, 3.0)],
    ids=["mirrors", "flattens", "blows up"],
)
@pytest.mark.parametrize("kind", ["matrix", "field"])
def test_a_transform_that_cannot_be_breathing_is_refused(scale, kind):
    matrix = np.diag([*scale, 1.0])
    initial = linear(matrix) if kind == "matrix" else as_field(partial(transform_points, matrix))
    with pytest.raises(InvalidTransformError, match=f"factor of {np.prod(scale):.3g}; between 0.05 and 20"):
        place(a_scan(), a_scan(), initial)


def test_a_transform_that_carries_the_lungs_out_of_the_moving_image_is_refused():
    """Most often it is the inverse of what was meant."""
    far = np.eye(4)
    far[:3, 3] = (0, 0, 400.0)
    place(a_scan(), a_scan((0, 0, 400.0)), linear(far))
    with pytest.raises(InvalidTransformError, match="outside the moving image.*is it the inverse"):
        place(a_scan(), a_scan((0, 0, 400.0)), linear(np.linalg.inv(far)))


def test_the_fit_counts_the_lungs_and_not_the_air_around_them():
    """A field that moves the lungs by a plain shift and everything 80 mm away far off."""
    initial = as_field(lambda p: p + SHIFT_MM + np.where(np.abs(p).max(-1, keepdims=True) > 80, 30.0, 0.0))
    placement = place(a_scan(), a_scan(SHIFT_MM), initial)
    shift = np.eye(4)
    shift[:3, 3] = SHIFT_MM
    np.testing.assert_allclose(placement.moving_norm_to_ras, shift @ placement.fixed_norm_to_ras, atol=1e-3)
