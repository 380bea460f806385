"""The median over 27 voxels is the middle one of them, sorted."""

import hypothesis
import numpy as np
import pytest
from hypothesis.extra import numpy as arrays

from NePhiCore.median_filter import median_of_neighbours


def middle_of_sorted(array: np.ndarray) -> np.ndarray:
    inner = [size - 2 for size in array.shape]
    medians = np.empty(inner, array.dtype)
    for k, j, i in np.ndindex(*inner):
        medians[k, j, i] = sorted(array[k : k + 3, j : j + 3, i : i + 3].ravel())[13]
    return medians


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_every_voxel_becomes_the_middle_one_of_its_neighbourhood(dtype):
    array = np.random.default_rng(0).normal(-800, 60, (6, 7, 8)).astype(dtype)
    found = median_of_neighbours(array)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, middle_of_sorted(array))


@hypothesis.given(arrays.arrays(np.int16, (3, 3, 3), elements={"min_value": 0, "max_value": 4}))
def test_equal_values_do_no_harm(array):
    assert median_of_neighbours(array).item() == sorted(array.ravel())[13]


def test_an_outlier_of_thirteen_voxels_changes_nothing():
    array = np.full((3, 3, 3), -850, np.int16)
    array.ravel()[:13] = 3000
    assert median_of_neighbours(array).item() == -850
    array.ravel()[13] = 3000
    assert median_of_neighbours(array).item() == 3000
