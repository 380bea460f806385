"""Maps and figures of lungs that are known: boxes by hand, and the phantom with diseased places in it."""

import dataclasses
import functools

import numpy as np
import pytest
from breathing_boxes import STRETCH, scan
from scipy.ndimage import map_coordinates

from NePhiCore import phantom as phantom_module
from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import transform_points
from NePhiCore.lung_function import lung_function
from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES, MAPS, OUTSIDE
from NePhiCore.phantom import breathing_phantom
from NePhiCore.phantom_disease import Ball, Disease

NORMAL, SMALL_AIRWAYS_DISEASE, EMPHYSEMA = 1, 2, 3
DIRECTIONS = [("exhale", "inhale"), ("inhale", "exhale")]


def of_boxes(fixed_state="exhale", moving_state="inhale", inhale=None, moving=None, **changes):
    fixed = scan(fixed_state, **changes)
    moving = moving or scan(moving_state, **changes)
    pair = fixed.volume, moving.volume, fixed.to_other, fixed.lungs, moving.lungs
    return fixed, with_whole_maps(lung_function(*pair, inhale))


def with_whole_maps(found):
    return dataclasses.replace(found, **{name: getattr(found, name).whole() for name in MAPS})


def inner(box, margin_mm):
    """Voxels at least so far from where density changes."""
    x, y, _ = np.moveaxis(box.volume.geometry.points_ras_mm(), -1, 0)
    voxels = int(margin_mm / box.volume.geometry.spacing_mm[0])
    core = box.lungs.copy()
    for axis in range(3):
        core &= np.roll(box.lungs, voxels, axis) & np.roll(box.lungs, -voxels, axis)
    return core & (np.abs(y) > margin_mm), x > 0, y > 0


@pytest.mark.parametrize(("fixed_state", "moving_state"), DIRECTIONS)
def test_each_place_of_the_boxes_is_what_it_was_made(fixed_state, moving_state):
    box, found = of_boxes(fixed_state, moving_state, noise_hu=10.0)
    core, is_right, is_front = inner(box, 10.0)
    np.testing.assert_allclose(found.ventilation_jacobian[core], STRETCH - 1, atol=1e-3)
    for place, label, air in (
        (core & is_right & is_front, NORMAL, 100 / (0.8 * 100)),
        (core & is_right & ~is_front, EMPHYSEMA, 35 / (0.93 * 35)),
        (core & ~is_right & is_front, SMALL_AIRWAYS_DISEASE, 0.0),
        (core & ~is_right & ~is_front, NORMAL, 150 / (0.7 * 150)),
    ):
        assert (found.parametric_response[place] == label).mean() > 0.99
        assert np.median(found.ventilation_density[place]) == pytest.approx(air, abs=0.05)
    assert (found.ventilation_jacobian[~box.lungs] == OUTSIDE).all()
    assert not found.parametric_response[~box.lungs].any()
    np.testing.assert_array_equal(found.ventilation_density > OUTSIDE, found.parametric_response > 0)


@pytest.mark.parametrize(("fixed_state", "moving_state"), DIRECTIONS)
def test_figures_are_the_same_whichever_image_is_fixed(fixed_state, moving_state):
    _, found = of_boxes(fixed_state, moving_state)
    figures = found.figures
    assert tuple(figures) == LUNG_FUNCTION_FIGURES
    assert figures["inhale_image"] == ("fixed" if fixed_state == "inhale" else "moving")
    for suffix, lungs in (("", 2), ("_left", 1), ("_right", 1)):
        assert figures[f"lung_volume_exhale_ml{suffix}"] == pytest.approx(lungs * 432)
        assert figures[f"lung_volume_inhale_ml{suffix}"] == pytest.approx(lungs * 864)
        assert figures[f"lung_volume_change_ml{suffix}"] == pytest.approx(lungs * 432)
        assert figures[f"ventilation_jacobian_mean{suffix}"] == pytest.approx(STRETCH - 1, abs=1e-3)
        assert figures[f"ventilation_jacobian_sd{suffix}"] == pytest.approx(0, abs=1e-3)
        assert figures[f"prm_classified_percent{suffix}"] > 80  # at 4 mm the edge is a good part of the lungs
    # The edge loses no more of one class than of another, within a few percent.
    assert figures["prm_normal_percent"] == pytest.approx(50, abs=4)
    assert figures["prm_emphysema_percent_right"] == pytest.approx(50, abs=4)
    assert figures["prm_small_airways_disease_percent_left"] == pytest.approx(50, abs=4)
    assert figures["prm_emphysema_percent_left"] == figures["prm_small_airways_disease_percent_right"] == 0
    assert found.warnings == ()


def test_folded_voxels_have_no_ventilation():
    box, moving = scan("exhale"), scan("inhale")
    geometry, displacement = box.to_other.geometry, box.to_other.displacement_ras_mm.copy()
    k, j, i = np.argwhere(inner(box, 10.0)[0])[0]
    displacement[k + 1, j, i, 2] -= 2 * 2.3 * geometry.spacing_mm[2]  # det J is 2 - 2.3 below it
    pair = box.volume, moving.volume, DisplacementField(displacement, geometry), box.lungs, moving.lungs
    found = with_whole_maps(lung_function(*pair))
    assert found.ventilation_jacobian[k, j, i] == OUTSIDE
    assert found.parametric_response[k, j, i] == 0
    assert found.ventilation_jacobian[k, j, i + 1] == pytest.approx(STRETCH - 1, abs=1e-3)


def test_a_lung_that_is_not_there_has_no_figures():
    _, found = of_boxes(with_left=False)
    assert {found.figures[name] for name in LUNG_FUNCTION_FIGURES if name.endswith("_left")} == {None}
    assert found.figures["lung_volume_exhale_ml"] == found.figures["lung_volume_exhale_ml_right"] == pytest.approx(432)
    assert sum("one lung only" in warning.message for warning in found.warnings) == 2


def test_the_caller_may_say_which_is_inhale_and_is_warned_where_that_is_odd():
    _, found = of_boxes(inhale="fixed")
    assert found.figures["inhale_image"] == "fixed"
    assert found.figures["ventilation_jacobian_mean"] == pytest.approx(1 / STRETCH - 1, abs=1e-3)
    assert any("smaller lungs" in warning.message for warning in found.warnings)


def test_two_scans_of_one_state_are_warned_of():
    box = scan("exhale")
    still = DisplacementField(np.zeros_like(box.to_other.displacement_ras_mm), box.volume.geometry)
    found = lung_function(box.volume, box.volume, still, box.lungs, box.lungs)
    assert any("0 % in volume only" in warning.message for warning in found.warnings)
    assert found.figures["ventilation_jacobian_mean"] == pytest.approx(0, abs=1e-6)


def test_lungs_that_are_no_parenchyma_are_warned_of():
    box, moving = scan("exhale"), scan("inhale")
    dense = dataclasses.replace(box.volume, hu=np.full_like(box.volume.hu, -300))
    found = lung_function(dense, moving.volume, box.to_other, box.lungs, moving.lungs)
    assert found.figures["prm_classified_percent"] == 0
    assert found.figures["prm_normal_percent"] is None
    assert any("less than half" in warning.message for warning in found.warnings)


# The phantom


BALLS = {EMPHYSEMA: Ball((75.0, 0.0, 40.0), 28.0), SMALL_AIRWAYS_DISEASE: Ball((-75.0, 10.0, 0.0), 28.0)}
ILL = Disease(emphysema=(BALLS[EMPHYSEMA],), trapped_air=(BALLS[SMALL_AIRWAYS_DISEASE],))
GRID = {"shape_kji": (80, 72, 92), "spacing_mm": 4.0, "disease": ILL}


@pytest.fixture(scope="module")
def phantoms():
    """The phantom as scanned, and without noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom_module, "build_anatomy", functools.lru_cache(1)(phantom_module.build_anatomy))
        return breathing_phantom(**GRID), breathing_phantom(**GRID, noise_hu=0.0)


@pytest.fixture(scope="module", params=DIRECTIONS, ids=["exhale fixed", "inhale fixed"])
def of_phantom(request, phantoms):
    """Found with the true map: points at exhale and at inhale of each fixed voxel, what was found, the phantoms."""
    (fixed_state, moving_state), (noisy, clean) = request.param, phantoms
    fixed, moving = getattr(noisy, fixed_state), getattr(noisy, moving_state)
    points = fixed.geometry.points_ras_mm()
    there = getattr(noisy, f"{fixed_state}_to_{moving_state}")(points)
    field = DisplacementField((there - points).astype(np.float32), fixed.geometry)
    lungs = [getattr(noisy, f"{state}_lungs") for state in (fixed_state, moving_state)]
    found = with_whole_maps(lung_function(fixed, moving, field, *lungs))
    return *((points, there) if fixed_state == "exhale" else (there, points)), found, clean


def density_at(volume, points_ras_mm):
    ijk = transform_points(volume.geometry.ras_to_ijk, points_ras_mm)
    return map_coordinates(volume.hu.astype(float), np.moveaxis(ijk[..., ::-1], -1, 0), order=1, mode="nearest")


def test_ventilation_by_volume_is_that_of_the_true_motion(of_phantom):
    exhale_points, _, found, clean = of_phantom
    lungs = found.ventilation_jacobian > OUTSIDE
    truth = clean.motion.determinant_exhale_to_inhale(exhale_points[lungs]) - 1
    error = np.abs(found.ventilation_jacobian[lungs] - truth)
    assert truth.mean() > 0.4
    assert error.mean() < 0.005 and np.percentile(error, 99) < 0.03
    figures = found.figures
    true_mean = figures["lung_volume_change_ml"] / figures["lung_volume_exhale_ml"]
    assert figures["ventilation_jacobian_mean"] == pytest.approx(true_mean, abs=0.01)


def test_diseased_places_have_their_class(of_phantom):
    _, inhale_points, found, _ = of_phantom
    for label, ball in BALLS.items():
        distance_mm = np.linalg.norm(inhale_points - np.array(ball.centre_ras_mm), axis=-1)
        labels = found.parametric_response[(distance_mm < ball.radius_mm - 8) & (found.parametric_response > 0)]
        assert (labels == label).mean() > 0.8


def test_shares_of_the_lungs_are_those_without_noise(of_phantom):
    exhale_points, inhale_points, found, clean = of_phantom
    has_class = found.parametric_response > 0
    exhale_hu, inhale_hu = (
        density_at(volume, points[has_class])
        for volume, points in ((clean.exhale, exhale_points), (clean.inhale, inhale_points))
    )
    truth = np.where(inhale_hu < -950, np.where(exhale_hu < -856, 3, 4), np.where(exhale_hu < -856, 2, 1))
    found_labels = found.parametric_response[has_class]
    assert (found_labels == truth).mean() > 0.9
    for label in (NORMAL, SMALL_AIRWAYS_DISEASE, EMPHYSEMA):
        assert 100 * abs((found_labels == label).mean() - (truth == label).mean()) < 4
