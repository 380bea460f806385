import numpy as np
import pytest

from NePhiCore.phantom_surfaces import (
    COARSE_MM,
    TISSUE_HIGH_RAS_MM,
    TISSUE_LOW_RAS_MM,
    coarse_points_ras_mm,
    random_proportions,
    thorax_distances,
)


@pytest.fixture(scope="module", params=[0, 1, 2])
def distances(request):
    return thorax_distances(random_proportions(np.random.default_rng(request.param)))


def centre_of(inside):
    return coarse_points_ras_mm()[inside].mean(0)


def test_grid_reaches_from_corner_to_corner():
    points = coarse_points_ras_mm()
    np.testing.assert_allclose(points[0, 0, 0], TISSUE_LOW_RAS_MM, rtol=1e-6)
    np.testing.assert_allclose(points[-1, -1, -1], TISSUE_HIGH_RAS_MM, rtol=1e-6)
    np.testing.assert_allclose(points[1, 1, 1] - points[0, 0, 0], COARSE_MM, rtol=1e-4)


def test_surfaces_share_the_grid(distances):
    shape = coarse_points_ras_mm().shape[:3]
    assert all(field.shape == shape and field.dtype == np.float32 for field in distances.values())
    assert all(np.isfinite(field).all() and field.min() < 0 < field.max() for field in distances.values())


@pytest.mark.parametrize("name", ["body", "cage", "heart", "lungs", "diaphragm", "oblique", "horizontal"])
def test_distances_are_in_millimetres_near_their_surface(distances, name):
    field = distances[name]
    steepness = np.linalg.norm(np.gradient(field, COARSE_MM), axis=0)[np.abs(field) < 4]
    assert np.median(steepness) == pytest.approx(1.0, abs=0.1)


def test_lungs_are_two_in_the_chest_above_the_diaphragm(distances):
    lungs = distances["lungs"] < 0
    x = coarse_points_ras_mm()[..., 0]
    right, left = ((lungs & side).sum() * COARSE_MM**3 / 1e6 for side in (x > -4, x < -4))
    assert 1.5 < left < right < 3.5  # litres; the heart takes from the left one
    assert (distances["cage"][lungs] < 0).all() and (distances["diaphragm"][lungs] < 0).all()
    assert (distances["body"][lungs] < -15).all() and (distances["heart"][lungs] > 0).all()


def test_organs_are_on_their_side(distances):
    heart, liver_and_spleen, gas, canal = (centre_of(distances[n] < 0) for n in ("heart", "liver", "gas", "canal"))
    assert heart[0] < -5 and heart[1] > 0
    assert liver_and_spleen[0] > 5 and liver_and_spleen[2] < -80
    assert gas[0] < -30 and gas[1] > 10
    assert abs(canal[0]) < 2 and canal[1] < -80


def test_bone_stays_out_of_the_lungs(distances):
    assert distances["lungs"][distances["bone"] < 0].min() > 0
