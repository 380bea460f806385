"""Figures gathered part by part are those of everything at once."""

import numpy as np
import pytest

from NePhiCore.lung_function_names import REGION_FIGURES
from NePhiCore.region_figures import RegionFigures, Spread


def test_mean_median_and_deviation_of_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    values, counts = rng.gamma(2.0, 0.4, 9999), rng.integers(1, 5, 9999)
    spread = Spread()
    for part in np.array_split(np.arange(9999), 7):
        spread.add(values[part].astype(np.float32), counts[part])
    repeated = np.repeat(values, counts)
    figures = spread.figures()
    assert figures["mean"] == pytest.approx(repeated.mean(), abs=1e-5)
    assert figures["sd"] == pytest.approx(repeated.std(), abs=1e-5)
    assert figures["median"] == pytest.approx(np.median(repeated), abs=0.002)


def test_shares_are_of_the_volume_at_exhale_that_has_a_class():
    region = RegionFigures()
    labels = np.array([1, 1, 2, 3, 0], np.uint8)
    weights = np.array([1.0, 1.0, 2.0, 4.0, 2.0])
    region.add(np.full(5, 0.5), np.array([0.6, 0.6, 0.6, 0.6, -1.0]), labels, weights)
    figures = region.figures()
    assert figures["prm_normal_percent"] == 25
    assert figures["prm_small_airways_disease_percent"] == 25
    assert figures["prm_emphysema_percent"] == 50
    assert figures["prm_unclassified_percent"] == 0
    assert figures["prm_classified_percent"] == 80
    assert figures["ventilation_jacobian_mean"] == pytest.approx(0.5)
    assert figures["ventilation_density_mean"] == pytest.approx(0.6)  # without the voxel that has no class
    assert figures["ventilation_density_sd"] == pytest.approx(0, abs=1e-6)


def test_an_empty_region_has_no_figures():
    figures = RegionFigures().figures()
    assert set(figures) < set(REGION_FIGURES)
    assert set(figures.values()) == {None}
