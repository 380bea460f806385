import numpy as np
import pytest

from NePhiCore.airways import find_airways
from NePhiCore.morphology import Morphology

GRID = Morphology((2.0, 2.0, 2.0))
SHAPE = (70, 60, 60)


def distance_to_axis_mm() -> np.ndarray:
    """(1, A, R) mm from the upright line through the middle."""
    a, r = np.meshgrid(np.arange(SHAPE[1]) - 30, np.arange(SHAPE[2]) - 30, indexing="ij")
    return 2.0 * np.hypot(a, r)[None]


@pytest.fixture
def a_trachea() -> np.ndarray:
    """16 mm wide, from the top of the image down to slice 30, in soft tissue."""
    hu = np.full(SHAPE, 40.0, np.float32)
    hu[30:] = np.where(distance_to_axis_mm() < 8.0, -1000.0, hu[30:])
    return hu


def test_a_trachea_is_found_whole(a_trachea):
    np.testing.assert_array_equal(find_airways(a_trachea, GRID), a_trachea < -500)


def test_a_bronchus_that_leaves_to_the_side_comes_along(a_trachea):
    a_trachea[30:35, 28:33, 30:50] = -1000.0
    assert find_airways(a_trachea, GRID)[31:34, 29:32, 34:48].all()


def test_the_front_stops_where_the_bronchus_opens_into_a_lung_as_empty_as_air(a_trachea):
    a_trachea[30:35, 28:33, 30:45] = -1000.0
    a_trachea[5:65, 5:55, 45:] = -960.0
    airways = find_airways(a_trachea, GRID)
    assert airways[40:, 30, 30].all() and airways[31:34, 30, 34:40].all()
    assert not airways[:, :, 48:].any()


def test_a_short_bubble_is_no_airway(a_trachea):
    bubble = np.full_like(a_trachea, 40.0)
    bubble[30:40] = a_trachea[40:50]
    assert not find_airways(bubble, GRID).any()


def test_a_tube_of_air_inside_lung_is_no_trachea(a_trachea):
    in_lung = np.where(a_trachea > 0, -650.0, a_trachea)
    assert not find_airways(in_lung, GRID).any()


def test_a_flat_pocket_is_no_trachea():
    hu = np.full(SHAPE, 40.0, np.float32)
    hu[20:60, 10:50, 29:32] = -1000.0
    assert not find_airways(hu, GRID).any()
