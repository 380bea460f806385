"""Values as colours."""

import numpy as np
import pytest

from NePhiBatch.picture_colours import (
    classes_rgba,
    determinant_rgba,
    grey_of,
    outline_rgba,
    rgb,
)
from NePhiBatch.picture_scales import DETERMINANT_COLOURS, LUNG_COLOUR, OUTSIDE_GREY
from NePhiCore.lung_function_names import PRM_CLASSES


def test_the_lung_window_is_black_to_white_and_nothing_is_a_grey_of_its_own():
    hu = np.array([-3000, -1350, -600, 150, 3000, np.nan])
    np.testing.assert_array_equal(grey_of(hu), [0, 0, 128, 255, 255, OUTSIDE_GREY])


@pytest.mark.parametrize(
    ("determinant", "colour"),
    [(1.0, 2), (0.25, 0), (4.0, 4), (0.5, 1), (2.0, 3), (-3.0, 0), (0.0, 0), (100.0, 4)],
)
def test_each_stop_of_the_scale_has_its_colour(determinant, colour):
    layer = determinant_rgba(np.array([determinant]), np.array([True]))
    assert tuple(layer[0]) == (*rgb(DETERMINANT_COLOURS[colour]), 255)


def test_det_j_is_shown_in_the_lungs_and_in_the_image_alone():
    layer = determinant_rgba(np.array([1.0, 1.0, np.nan]), np.array([True, False, True]))
    assert layer[:, 3].tolist() == [255, 0, 0]


def test_an_outline_is_the_rim_of_a_mask():
    mask = np.zeros((6, 7), bool)
    mask[1:5, 1:6] = True
    expected = mask.copy()
    expected[2:4, 2:5] = False
    layer = outline_rgba(mask, LUNG_COLOUR)
    np.testing.assert_array_equal(layer[..., 3] > 0, expected)
    assert tuple(layer[1, 1, :3]) == (0x4D, 0xD0, 0xE1)


def test_a_mask_at_the_border_of_the_picture_is_closed():
    assert outline_rgba(np.ones((4, 4), bool), LUNG_COLOUR)[0, :, 3].all()


def test_classes_have_their_colours_and_none_is_transparent():
    layer = classes_rgba(np.arange(256, dtype=np.uint8))
    assert layer[0, 3] == 0
    for each in PRM_CLASSES:
        assert tuple(layer[each.label]) == (*each.colour, 255)
    assert not layer[len(PRM_CLASSES) + 1 :].any()
