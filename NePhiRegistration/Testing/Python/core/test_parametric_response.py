"""The classes of Galbán et al. at and around the thresholds."""

import numpy as np
import pytest

from NePhiCore.lung_function_names import PRM_CLASSES
from NePhiCore.parametric_response import classify, is_parenchyma


@pytest.mark.parametrize(
    ("inhale_hu", "exhale_hu", "name"),
    [
        (-900, -800, "normal"),
        (-950, -856, "normal"),
        (-900, -880, "small_airways_disease"),
        (-950, -857, "small_airways_disease"),
        (-970, -900, "emphysema"),
        (-951, -857, "emphysema"),
        (-960, -800, "unclassified"),
        (-951, -856, "unclassified"),
    ],
)
def test_two_thresholds_make_four_classes(inhale_hu, exhale_hu, name):
    label = classify(np.array([exhale_hu], np.float32), np.array([inhale_hu], np.float32))
    assert label.dtype == np.uint8
    assert [each.name for each in PRM_CLASSES if each.label == label.item()] == [name]


@pytest.mark.parametrize(
    ("inhale_hu", "exhale_hu", "is_in"),
    [(-900, -800, True), (-1000, -500, True), (-400, -800, False), (-900, -499, False), (-1001, -900, False)],
)
def test_vessels_and_airways_of_either_image_are_left_out(inhale_hu, exhale_hu, is_in):
    assert is_parenchyma(np.array([exhale_hu]), np.array([inhale_hu])).item() is is_in
