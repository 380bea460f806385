import dataclasses
import functools

import numpy as np
import pytest

from NePhiCore import phantom as phantom_module
from NePhiCore.errors import SettingsError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.phantom import breathing_phantom
from NePhiCore.phantom_anatomy import LOBES
from NePhiCore.volume import check_volume

COARSE = {"shape_kji": (52, 48, 60), "spacing_mm": 6.0, "noise_hu": 0.0}
TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module", autouse=True)
def each_patient_is_built_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom_module, "build_anatomy", functools.lru_cache(2)(phantom_module.build_anatomy))
        yield


@pytest.fixture(scope="module")
def noiseless():
    return breathing_phantom(noise_hu=0.0)


@pytest.fixture(scope="module")
def coarse():
    return breathing_phantom(**COARSE)


def nearest(array, geometry, points_ras_mm):
    kji = np.rint(transform_points(geometry.ras_to_ijk, points_ras_mm)).astype(int)[..., ::-1]
    return array[tuple(np.moveaxis(kji, -1, 0))]


def linear(volume, points_ras_mm):
    """Trilinear HU at points well inside the volume."""
    kji = transform_points(volume.geometry.ras_to_ijk, points_ras_mm)[..., ::-1]
    base = np.floor(kji).astype(int)
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, kji - base, 1 - (kji - base)).prod(-1)
        total = total + weight * volume.hu[tuple(np.moveaxis(base + corner, -1, 0))]
    return total


def is_calm(volume, limit_hu):
    """(K, J, I) bool: no neighbour within one voxel differs by more than the limit; the border is never calm."""
    hu, spread = volume.hu.astype(np.int32), np.full(volume.hu.shape, 10**6)
    middle = (slice(1, -1),) * 3
    shifted = [
        hu[tuple(slice(1 + s, n - 1 + s) for s, n in zip(shift, hu.shape, strict=True))] - hu[middle]
        for shift in np.ndindex(3, 3, 3)
        for shift in [np.array(shift) - 1]
    ]
    spread[middle] = np.abs(shifted).max(0)
    return spread <= limit_hu


def density_mass(volume, mask):
    return (volume.hu[mask] + 1000.0).sum() * volume.geometry.voxel_volume_mm3


def test_both_scans_are_ct_of_a_chest(noiseless):
    for volume, lungs in [
        (noiseless.inhale, noiseless.inhale_lungs),
        (noiseless.exhale, noiseless.exhale_lungs),
    ]:
        check_volume(volume)
        assert volume.hu.dtype == np.int16
        assert volume.hu[:, 0, 0].max() == volume.hu[:, -1, -1].max() == -1000
        assert 0.05 < lungs.mean() < 0.3
        assert -900 < np.median(volume.hu[lungs]) < -680
        assert np.percentile(volume.hu[~lungs], 99.5) > 300
    assert np.median(noiseless.exhale.hu[noiseless.exhale_lungs]) > np.median(
        noiseless.inhale.hu[noiseless.inhale_lungs]
    )


@pytest.mark.parametrize("name", ["inhale_lungs", "exhale_lungs"])
def test_lungs_lie_inside_the_image(noiseless, name):
    lungs = getattr(noiseless, name)
    touched = [lungs[0], lungs[-1], lungs[:, 0], lungs[:, -1], lungs[..., 0], lungs[..., -1]]
    assert not any(face.any() for face in touched)


def test_five_lobes_fill_the_lungs(noiseless):
    lobes, points = noiseless.inhale_lobes, noiseless.inhale.geometry.points_ras_mm()
    np.testing.assert_array_equal(lobes > 0, noiseless.inhale_lungs)
    centre = {name: points[lobes == number].mean(0) for number, name in LOBES.items()}
    litres = {name: (lobes == number).sum() * 27e-6 for number, name in LOBES.items()}
    assert all(0.15 < volume < 2.0 for volume in litres.values())
    assert all((centre[name][0] > 0) == name.startswith("right") for name in centre)
    for side in ("left", "right"):
        upper, lower = centre[f"{side} upper"], centre[f"{side} lower"]
        assert upper[2] > lower[2] + 30 and upper[1] > lower[1]
    assert centre["right middle"][1] > centre["right lower"][1] + 30


def test_landmarks_are_exact_partners_inside_both_lungs(noiseless):
    inhale, exhale = noiseless.landmarks_inhale_ras_mm, noiseless.landmarks_exhale_ras_mm
    assert inhale.shape == exhale.shape == (300, 3) and inhale.dtype == np.float64
    assert len(np.unique(inhale, axis=0)) == 300
    np.testing.assert_allclose(noiseless.exhale_to_inhale(exhale), inhale, atol=1e-6)
    np.testing.assert_allclose(noiseless.inhale_to_exhale(inhale), exhale, atol=1e-6)
    assert nearest(noiseless.inhale_lungs, noiseless.inhale.geometry, inhale).all()
    assert nearest(noiseless.exhale_lungs, noiseless.exhale.geometry, exhale).all()
    assert np.linalg.norm(exhale - inhale, axis=1).mean() > 5
    assert set(nearest(noiseless.inhale_lobes, noiseless.inhale.geometry, inhale)) == set(LOBES)


def test_landmarks_sit_on_vessels(noiseless):
    lungs_hu = noiseless.inhale.hu[noiseless.inhale_lungs]
    at_landmarks = linear(noiseless.inhale, noiseless.landmarks_inhale_ras_mm)
    assert np.median(at_landmarks) > np.median(lungs_hu) + 150


def test_lung_volume_changes_as_the_determinant_says(noiseless):
    points = noiseless.exhale.geometry.points_ras_mm()[noiseless.exhale_lungs]
    mean_determinant = noiseless.motion.determinant_exhale_to_inhale(points).mean()
    assert noiseless.inhale_lungs.sum() / noiseless.exhale_lungs.sum() == pytest.approx(mean_determinant, rel=0.005)
    assert mean_determinant > 1.1


def test_parenchyma_gets_denser_by_the_volume_it_loses(noiseless):
    calm = noiseless.exhale_lungs & is_calm(noiseless.exhale, 60) & (noiseless.exhale.hu < -650)
    points = noiseless.exhale.geometry.points_ras_mm()[calm]
    assert len(points) > 1000
    density_inhale = linear(noiseless.inhale, noiseless.exhale_to_inhale(points)) + 1000.0
    gain = (noiseless.exhale.hu[calm] + 1000.0) / density_inhale
    determinant = noiseless.motion.determinant_exhale_to_inhale(points)
    assert np.corrcoef(gain, determinant)[0, 1] > 0.8
    # A little below 1: the fine vessels between do not get denser.
    assert 0.95 < np.median(gain / determinant) < 1.0


def test_mass_of_parenchyma_is_conserved(monkeypatch):
    """With nothing in the world but parenchyma, both scans weigh the same, and partner points differ by det."""
    anatomy = phantom_module.build_anatomy(0)
    density = anatomy.density.clone()
    density[:, 1] = 0
    monkeypatch.setattr(phantom_module, "build_anatomy", lambda seed: dataclasses.replace(anatomy, density=density))
    bare = breathing_phantom(noise_hu=0.0)
    everything = np.ones(bare.inhale.hu.shape, bool)
    assert density_mass(bare.exhale, everything) == pytest.approx(density_mass(bare.inhale, everything), rel=0.005)
    calm = bare.exhale_lungs & is_calm(bare.exhale, 60) & (bare.exhale.hu > -920)
    points = bare.exhale.geometry.points_ras_mm()[calm]
    gain = (bare.exhale.hu[calm] + 1000.0) / (linear(bare.inhale, bare.exhale_to_inhale(points)) + 1000.0)
    assert np.median(gain / bare.motion.determinant_exhale_to_inhale(points)) == pytest.approx(1.0, abs=0.005)


def test_lungs_keep_their_mass_but_for_some_blood(noiseless):
    kept = density_mass(noiseless.exhale, noiseless.exhale_lungs) / density_mass(
        noiseless.inhale, noiseless.inhale_lungs
    )
    assert 0.8 < kept < 1.0
    assert kept > noiseless.exhale_lungs.sum() / noiseless.inhale_lungs.sum() + 0.05


def test_the_body_keeps_its_brightness_at_partner_points(noiseless):
    calm = ~noiseless.exhale_lungs & is_calm(noiseless.exhale, 40) & (noiseless.exhale.hu > -150)
    points = noiseless.exhale.geometry.points_ras_mm()[calm]
    partners = noiseless.exhale_to_inhale(points)
    seen = (np.abs(partners) < (170, 135, 145)).all(1)
    difference = noiseless.exhale.hu[calm][seen] - linear(noiseless.inhale, partners[seen])
    assert seen.sum() > 10_000
    assert abs(difference.mean()) < 1 and np.percentile(np.abs(difference), 95) < 20


def test_there_is_texture_everywhere_in_the_lungs(noiseless):
    """In every 18 mm cube of lung the HU vary by several times the noise of a scan."""
    shape = tuple(6 * (n // 6) for n in noiseless.inhale_lungs.shape)
    crop = tuple(slice(0, n) for n in shape)
    cubes = (shape[0] // 6, 6, shape[1] // 6, 6, shape[2] // 6, 6)
    hu, lungs = (
        array[crop].reshape(cubes).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 216)
        for array in (noiseless.inhale.hu, noiseless.inhale_lungs)
    )
    spread = hu[lungs.all(1)].std(1)
    assert len(spread) > 200
    assert spread.min() > 15 and np.median(spread) > 60


def test_both_scans_are_equally_sharp():
    still = breathing_phantom(strength=0.0, noise_hu=0.0)
    offset = np.array(still.motion.offset_ras_mm)
    assert np.abs(offset / 3 - np.round(offset / 3)).max() > 0.05  # between voxels, or the test says nothing

    def edge_strength(volume, lungs):
        return np.linalg.norm(np.gradient(volume.hu.astype(float)), axis=0)[lungs].mean()

    assert edge_strength(still.exhale, still.exhale_lungs) == pytest.approx(
        edge_strength(still.inhale, still.inhale_lungs), rel=0.02
    )


@pytest.mark.parametrize("direction", ["exhale_to_inhale", "inhale_to_exhale"])
def test_truth_displacement_is_the_map_minus_identity(coarse, direction):
    geometry = ImageGeometry.from_spacing((4, 5, 6), (30.0, 25.0, 40.0), (-70.0, -60.0, -80.0), TURN)
    displacement = coarse.truth_displacement(geometry, direction)
    assert displacement.shape == (4, 5, 6, 3) and displacement.dtype == np.float32
    point = transform_points(geometry.ijk_to_ras, np.array([[5.0, 1.0, 3.0]]))
    expected = getattr(coarse, direction)(point)[0] - point[0]
    np.testing.assert_allclose(displacement[3, 1, 5], expected, atol=1e-4)


def test_truth_displacements_of_the_two_directions_undo_each_other(coarse):
    geometry = ImageGeometry.from_spacing((3, 3, 3), 40.0, (-40.0, -40.0, -40.0))
    points = geometry.points_ras_mm()
    to_inhale = points + coarse.truth_displacement(geometry, "exhale_to_inhale")
    np.testing.assert_allclose(coarse.inhale_to_exhale(to_inhale), points, atol=1e-3)


def test_noise_is_fresh_in_each_scan_and_as_strong_as_asked(noiseless):
    noisy = breathing_phantom(noise_hu=20.0)
    inside = noiseless.inhale_lungs & noiseless.exhale_lungs
    noise = [
        (getattr(noisy, name).hu.astype(int) - getattr(noiseless, name).hu)[inside] for name in ("inhale", "exhale")
    ]
    assert noise[0].std() == pytest.approx(20.0, rel=0.02) and noise[1].std() == pytest.approx(20.0, rel=0.02)
    assert abs(np.corrcoef(*noise)[0, 1]) < 0.02
    np.testing.assert_array_equal(noisy.landmarks_inhale_ras_mm, noiseless.landmarks_inhale_ras_mm)


def test_a_seed_is_one_phantom(coarse):
    phantom_module.build_anatomy.cache_clear()
    again, other = breathing_phantom(**COARSE), breathing_phantom(**COARSE, seed=1)
    np.testing.assert_array_equal(again.inhale.hu, coarse.inhale.hu)
    np.testing.assert_array_equal(again.exhale.hu, coarse.exhale.hu)
    np.testing.assert_array_equal(again.landmarks_exhale_ras_mm, coarse.landmarks_exhale_ras_mm)
    assert again.motion == coarse.motion != other.motion
    assert (other.inhale_lungs != coarse.inhale_lungs).mean() > 0.005


def test_grids_show_the_same_patient(noiseless, coarse):
    assert noiseless.motion == coarse.motion
    points = coarse.inhale.geometry.points_ras_mm()[2:-2, 2:-2, 2:-2].reshape(-1, 3)
    same = nearest(coarse.inhale_lobes, coarse.inhale.geometry, points) == nearest(
        noiseless.inhale_lobes, noiseless.inhale.geometry, points
    )
    assert same.mean() > 0.98
    fine_hu, coarse_hu = (linear(phantom.inhale, points + 0.01) for phantom in (noiseless, coarse))
    assert np.corrcoef(fine_hu, coarse_hu)[0, 1] > 0.98


def test_oblique_left_handed_anisotropic_grids_show_the_same_patient(noiseless):
    turned = breathing_phantom(
        (104, 90, 94), (4.0, 4.0, 3.2), direction=TURN @ np.diag([1.0, 1.0, -1.0]), noise_hu=0.0, landmark_count=50
    )
    assert turned.inhale.geometry.is_left_handed
    volume = turned.inhale_lungs.sum() * turned.inhale.geometry.voxel_volume_mm3
    assert volume == pytest.approx(noiseless.inhale_lungs.sum() * 27.0, rel=0.01)
    points = noiseless.landmarks_inhale_ras_mm
    assert nearest(turned.inhale_lungs, turned.inhale.geometry, points).mean() > 0.97
    assert np.corrcoef(linear(turned.inhale, points), linear(noiseless.inhale, points))[0, 1] > 0.9


def test_a_field_of_view_can_be_cut(coarse):
    upper_half = ImageGeometry.from_spacing((26, 48, 60), 6.0, (-177.0, -141.0, 0.0))
    cut = breathing_phantom(**COARSE, exhale_geometry=upper_half, landmark_count=40)
    assert cut.exhale.geometry.is_same_grid(upper_half) and cut.inhale.geometry.is_same_grid(coarse.inhale.geometry)
    assert cut.exhale_lungs[0].any()
    assert len(cut.landmarks_exhale_ras_mm) == 40 and cut.landmarks_exhale_ras_mm[:, 2].min() > -3.0


def test_scans_without_common_lung_are_refused():
    beside = ImageGeometry.from_spacing((20, 20, 20), 6.0, (400.0, 0.0, 0.0))
    with pytest.raises(SettingsError, match="too little of the same lung"):
        breathing_phantom(**COARSE, exhale_geometry=beside)


@pytest.mark.parametrize("change", [{"noise_hu": -1.0}, {"landmark_count": -1}, {"seed": -1}, {"strength": -1.0}])
def test_negative_numbers_are_refused(change):
    with pytest.raises(SettingsError, match="at least 0"):
        breathing_phantom(**{**COARSE, **change})


def test_unknown_direction_is_refused(coarse):
    with pytest.raises(SettingsError, match="exhale_to_inhale, inhale_to_exhale, got 'forward'"):
        coarse.truth_displacement(coarse.inhale.geometry, "forward")
