"""Left and right lung, in every orientation: apart, touching, grown together, alone."""

import numpy as np
import pytest
from thorax_cases import DIRECTIONS_RAS, ellipsoid, grid

from NePhiCore.lung_sides import find_sides
from NePhiCore.volume import Volume


def coordinates(geometry):
    return np.moveaxis(geometry.points_ras_mm(), -1, 0)


def right_and_left(geometry, gap_mm=20.0):
    """Two lungs, (K, J, I) bool each, with a gap between them."""
    x, y, z = coordinates(geometry)
    middle = 50 + gap_mm / 2
    return tuple(ellipsoid(x, y, z, (side * middle, 0, 10), (50, 70, 100)) for side in (1, -1))


def body(geometry) -> Volume:
    x, y, _ = coordinates(geometry)
    return Volume(np.where((x / 150) ** 2 + (y / 100) ** 2 < 1, 40, -1000).astype(np.int16), geometry)


def found_right(geometry, lungs):
    sides = find_sides(lungs, body(geometry))
    block = tuple(slice(0, n) for n in geometry.shape_kji)
    return sides.how, sides.is_right(geometry, block) & lungs


@pytest.mark.parametrize("direction", DIRECTIONS_RAS)
def test_right_is_the_patients_right(direction):
    geometry = grid(direction)
    right, left = right_and_left(geometry)
    how, found = found_right(geometry, right | left)
    assert how == "apart"
    np.testing.assert_array_equal(found, right)


def test_a_piece_that_has_come_off_belongs_to_the_lung_beside_it():
    geometry = grid()
    right, left = right_and_left(geometry)
    x, y, z = coordinates(geometry)
    piece = ellipsoid(x, y, z, (-60, -85, 20), (8, 8, 8)) & ~left
    _, found = found_right(geometry, right | left | piece)
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("spacing_mm", [(3.0, 3.0, 3.0), (0.9, 0.9, 2.5)])
def test_lungs_that_touch_along_a_sheet_are_told_apart(spacing_mm):
    geometry = grid(spacing_mm=spacing_mm)
    right, left = right_and_left(geometry)
    x, y, z = coordinates(geometry)
    bridge = (np.abs(x) < 40) & (np.abs(y - 40) < 4) & (np.abs(z - 20) < 40)
    lungs = right | left | bridge
    how, found = found_right(geometry, lungs)
    assert how == "touching"
    wrong = (found != (lungs & (x > 0))) & lungs
    assert wrong.mean() < 1e-3
    assert np.abs(x[wrong]).max(initial=0) < 6


def test_lungs_grown_together_are_cut_where_they_are_thinnest():
    geometry = grid()
    x, y, z = coordinates(geometry)
    right, left = right_and_left(geometry)
    broad = (np.abs(x - 6) < 60) & (np.abs(y) < 45) & (np.abs(z - 10) < 80)
    lungs = right | left | broad
    how, found = found_right(geometry, lungs)
    assert how == "cut"
    assert 0.35 < found.sum() / lungs.sum() < 0.65
    assert x[found].min() > x[lungs & ~found].max() - 1e-6


@pytest.mark.parametrize("side", [1, -1])
def test_the_only_lung_is_on_its_side_of_the_body(side):
    geometry = grid()
    x, y, z = coordinates(geometry)
    lung = ellipsoid(x, y, z, (side * 55, 0, 10), (55, 75, 100))
    how, found = found_right(geometry, lung)
    assert how == "one"
    np.testing.assert_array_equal(found, lung if side > 0 else np.zeros_like(lung))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("direction", ["LPS", "oblique left-handed"])
def test_an_image_cut_to_one_lung_shows_its_chest_wall(side, direction):
    # From the outer air to just beyond the lung: most of the tissue seen may lie on either side.
    geometry = grid(direction, centre_ras_mm=(side * 80, 0, 10), extent_mm=(160, 240, 230))
    x, y, z = coordinates(geometry)
    lung = ellipsoid(x, y, z, (side * 55, 0, 10), (50, 75, 100))
    how, found = found_right(geometry, lung)
    assert how == "one"
    np.testing.assert_array_equal(found, lung if side > 0 else np.zeros_like(lung))


def test_lungs_in_an_image_without_a_body_do_no_harm():
    geometry = grid()
    right, _ = right_and_left(geometry)
    sides = find_sides(right, Volume(np.full(geometry.shape_kji, -800, np.int16), geometry))
    assert sides.how == "one"
    assert sides.nearer_right.min() > 0


def test_a_part_of_the_grid_is_read_as_the_whole_is():
    geometry = grid(spacing_mm=(0.9, 0.9, 2.5))
    right, left = right_and_left(geometry)
    sides = find_sides(right | left, body(geometry))
    block = slice(20, 60), slice(64, 128), slice(130, 194)
    whole = sides.is_right(geometry, tuple(slice(0, n) for n in geometry.shape_kji))
    np.testing.assert_array_equal(sides.is_right(geometry, block), whole[block])
