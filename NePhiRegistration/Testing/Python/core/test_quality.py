"""The quality report of registrations whose every figure is known."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import DIRECTIONS_LPS

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.errors import InvalidLandmarksError, InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.quality import dice, quality_report, snapped_registration_error, target_registration_error
from NePhiCore.volume import Volume

SHIFT_MM = np.array([6.0, -4.0, 8.0])
JACOBIAN_KEYS = {
    *("voxels", "folds_central", "folds_any_one_sided", "fold_fraction_central", "fold_fraction_any_one_sided"),
    *("min", "max", "mean", "p1", "p5", "p50", "p95", "p99", "min_one_sided", "sd_log_j"),
}
SIMILARITY_KEYS = {"ncc", "local_ncc", "mean_absolute_difference_hu"}
DISTANCE_KEYS = {"mean", "median", "std", "p95", "max"}


def texture(points_ras_mm: np.ndarray) -> np.ndarray:
    r, a, s = np.moveaxis(points_ras_mm, -1, 0)
    return -700 + 150 * np.sin(r / 4) * np.cos(a / 5) + 120 * np.sin(s / 4.5 + r / 9)


def ball(points_ras_mm: np.ndarray, centre_ras_mm) -> np.ndarray:
    return np.linalg.norm(points_ras_mm - centre_ras_mm, axis=-1) < 22


def constant_field(shift_mm) -> DisplacementField:
    return DisplacementField(np.broadcast_to(shift_mm, (2, 2, 2, 3)), ImageGeometry((2, 2, 2), np.diag([9, 9, 9, 1.0])))


@pytest.fixture(scope="module")
def shifted_pair():
    """A textured ball, and the same ball moved by SHIFT_MM on an oblique left-handed grid."""
    fixed_grid = ImageGeometry.from_spacing((30, 40, 40), (1.6, 1.6, 2.2), (-32, -32, -32))
    oblique = np.diag([-1, -1, 1]) @ DIRECTIONS_LPS["oblique left-handed"]
    moving_grid = ImageGeometry.from_spacing((44, 44, 44), (1.8, 1.8, 1.8), -oblique @ np.full(3, 38.7), oblique)
    fixed_points, moving_points = fixed_grid.points_ras_mm(), moving_grid.points_ras_mm()
    fixed = Volume(texture(fixed_points).astype(np.float32), fixed_grid, "fixed")
    moving = Volume(np.rint(texture(moving_points - SHIFT_MM)).astype(np.int16), moving_grid, "moving")
    return fixed, moving, ball(fixed_points, (0, 0, 0)), ball(moving_points, SHIFT_MM)


def test_the_target_registration_error_is_the_distance_that_is_left():
    fixed = np.array([[0.0, 0, 0], [10, 0, 0]])
    moving = fixed + [[3, 4, 0], [0, 0, 12]]
    statistics = target_registration_error(constant_field([0, 0, 12]), fixed, moving)
    assert statistics.landmarks == 2
    assert (statistics.before.mean, statistics.before.median, statistics.before.max) == (8.5, 8.5, 12)
    assert statistics.before.std == pytest.approx(3.5)
    assert statistics.before.p95 == pytest.approx(5 + 0.95 * 7)
    assert statistics.after.mean == pytest.approx(6.5, abs=1e-5)


def test_a_function_is_as_good_as_a_field():
    points = np.random.default_rng(0).normal(size=(20, 3))
    assert target_registration_error(lambda p: p + SHIFT_MM, points, points + SHIFT_MM).after.max < 1e-12


def test_snapping_moves_mapped_landmarks_to_the_nearest_moving_voxel():
    """Axes to the left, back and down, as DIR-Lab's; voxel (i, j, k) lies at (-i, -2 j, -4 k)."""
    moving_grid = ImageGeometry.from_spacing((9, 9, 9), (1, 2, 4), direction=-np.eye(3))
    fixed = np.array([[-3.0, -4.0, -8.0], [-1.0, -2.0, -4.0], [0.0, 0.0, 0.0]])
    off = np.array([-0.4, -0.9, -1.9])  # less than half a voxel: back to where it was
    assert snapped_registration_error(constant_field(off), fixed, fixed, moving_grid).max == 0
    over = np.array([0.4, 0.9, -2.1])  # more than half a voxel along k: one voxel further
    snapped = snapped_registration_error(constant_field(over), fixed, fixed + [0, 0, -1], moving_grid)
    assert (snapped.mean, snapped.std) == (3, 0)


@pytest.mark.parametrize(("fixed", "moving"), [((3, 3), (4, 3)), ((0, 3), (0, 3)), ((3, 2), (3, 2))])
def test_lists_that_do_not_belong_together_are_refused(fixed, moving):
    with pytest.raises(InvalidLandmarksError, match="same order"):
        target_registration_error(constant_field([0, 0, 0]), np.zeros(fixed), np.zeros(moving))


def test_one_landmark_list_without_the_other_is_refused(shifted_pair):
    fixed, moving, fixed_mask, moving_mask = shifted_pair
    field = constant_field([0, 0, 0])
    with pytest.raises(InvalidLandmarksError, match="same order"):
        quality_report(fixed, moving, field, field, fixed_mask, moving_mask, fixed_landmarks=np.zeros((4, 3)))


def test_dice_of_masks_that_share_half():
    a, b = np.array([True, True, False]), np.array([False, True, True])
    assert (dice(a, b), dice(a, a), dice(~a & a, ~a & a)) == (0.5, 1, 0)


@pytest.mark.parametrize(("spacing_mm", "counted"), [(1.0, 40**3), (0.7, 40**3), (0.5, 20**3)])
def test_folds_of_very_fine_images_are_counted_at_every_second_voxel(spacing_mm, counted):
    """A field on a grid of 4 mm whose middle plane moves 5 mm forward, past the next, folds an eighth of the image."""
    grid = ImageGeometry.from_spacing((40, 40, 40), (spacing_mm,) * 3)
    nodes = ImageGeometry.from_spacing((11, 11, 11), (4 * spacing_mm,) * 3)
    displacement = np.zeros((*nodes.shape_kji, 3), np.float32)
    displacement[5, ..., 2] = 5 * spacing_mm
    folding, image = DisplacementField(displacement, nodes), Volume(np.zeros(grid.shape_kji, np.int16), grid)
    lungs = np.ones(grid.shape_kji, bool)
    report = quality_report(image, image, folding, folding, lungs, lungs)
    for name in ("jacobian", "jacobian_inverse"):
        assert report[name]["voxels"] == counted
        assert report[name]["fold_fraction_any_one_sided"] == pytest.approx(0.125, abs=0.03)
        assert report[name]["min_one_sided"] == pytest.approx(-0.25, abs=1e-4)


def test_a_perfect_registration_is_reported_as_perfect(shifted_pair):
    fixed, moving, fixed_mask, moving_mask = shifted_pair
    landmarks = np.random.default_rng(0).uniform(-15, 15, (30, 3))
    forward, backward = constant_field(SHIFT_MM), constant_field(-SHIFT_MM)
    report = quality_report(fixed, moving, forward, backward, fixed_mask, moving_mask, landmarks, landmarks + SHIFT_MM)
    before, after = report["similarity"]["before"], report["similarity"]["after"]
    assert after["ncc"] > 0.95 > 0.5 > before["ncc"]
    assert after["local_ncc"] > 0.95 > 0.5 > before["local_ncc"]
    assert after["mean_absolute_difference_hu"] < 30 < before["mean_absolute_difference_hu"]
    for name in ("jacobian", "jacobian_everywhere", "jacobian_inverse"):
        assert (report[name]["min"], report[name]["max"]) == pytest.approx((1, 1), abs=1e-5)
        assert report[name]["fold_fraction_any_one_sided"] == 0
    assert report["jacobian"]["voxels"] == fixed_mask.sum()
    assert report["jacobian_inverse"]["voxels"] == moving_mask.sum()
    assert report["jacobian_everywhere"]["voxels"] == 8
    assert report["inverse_consistency_mm"]["max"] < 1e-4
    volume_litres = 4 / 3 * np.pi * 22**3 * 1e-6
    assert report["lung_volume_litres"] == pytest.approx({"fixed": volume_litres, "moving": volume_litres}, rel=0.01)
    assert report["lung_overlap_dice"]["after"] > 0.95 > 0.75 > report["lung_overlap_dice"]["before"]
    assert report["tre_mm"]["before"]["mean"] == pytest.approx(np.linalg.norm(SHIFT_MM))
    assert report["tre_mm"]["after"]["max"] < 1e-4


def test_the_names_in_the_report_are_stable_and_json_takes_them(shifted_pair):
    fixed, moving, fixed_mask, moving_mask = shifted_pair
    field = constant_field(SHIFT_MM)
    without = quality_report(fixed, moving, field, field, fixed_mask, moving_mask)
    points = np.zeros((1, 3))
    report = quality_report(fixed, moving, field, field, fixed_mask, moving_mask, points, points)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) - set(without) == {"tre_mm"}
    assert {name: set(report[name]) for name in without} == {
        "similarity": {"before", "after"},
        "jacobian": JACOBIAN_KEYS,
        "jacobian_everywhere": JACOBIAN_KEYS,
        "jacobian_inverse": JACOBIAN_KEYS,
        "inverse_consistency_mm": {"mean", "p95", "max"},
        "lung_volume_litres": {"fixed", "moving"},
        "lung_overlap_dice": {"before", "after"},
    }
    assert set(report["similarity"]["before"]) == SIMILARITY_KEYS
    assert set(report["tre_mm"]) == {"landmarks", "before", "after"}
    assert set(report["tre_mm"]["after"]) == DISTANCE_KEYS


def test_what_does_not_come_back_is_reported(shifted_pair):
    fixed, moving, fixed_mask, moving_mask = shifted_pair
    report = quality_report(
        fixed, moving, constant_field([0, 3, 4]), constant_field([0, 0, 0]), fixed_mask, moving_mask
    )
    assert report["inverse_consistency_mm"] == pytest.approx({"mean": 5, "p95": 5, "max": 5}, abs=1e-4)


def test_masks_that_are_empty_or_elsewhere_are_refused(shifted_pair):
    fixed, moving, fixed_mask, moving_mask = shifted_pair
    field = constant_field([0, 0, 0])
    with pytest.raises(InvalidVolumeError, match="moving: the lung mask is empty"):
        quality_report(fixed, moving, field, field, fixed_mask, np.zeros_like(moving_mask))
    with pytest.raises(InvalidVolumeError, match="fixed: the lung mask has shape"):
        quality_report(fixed, moving, field, field, fixed_mask[1:], moving_mask)


def test_the_known_map_of_a_real_pair_is_reported_as_good(shared_data):
    """Semi-synthetic: a real CT and its known breathing map; see the data's own description."""
    folder = shared_data / "breathing_pairs" / "d1"
    fixed, moving = (_read(folder / f"{name}.nii.gz") for name in ("exhale", "inhale"))
    lungs = [_read(folder / f"{name}_lungs.nii.gz").hu > 0 for name in ("exhale", "inhale")]
    truth = _truth(np.load(folder / "truth_exhale_to_inhale.npz"))
    table = np.genfromtxt(folder / "landmarks_lps_mm.csv", delimiter=",", names=True)
    landmarks = [np.stack([-table[f"{n}_x"], -table[f"{n}_y"], table[f"{n}_z"]], 1) for n in ("exhale", "inhale")]
    report = quality_report(fixed, moving, truth, truth, *lungs, *landmarks)
    assert report["tre_mm"]["before"]["mean"] == pytest.approx(17.75, abs=0.01)
    assert report["tre_mm"]["after"]["mean"] < 0.2
    assert report["jacobian"]["folds_any_one_sided"] == 0
    assert report["lung_overlap_dice"]["after"] > 0.98
    assert report["similarity"]["after"]["local_ncc"] > 0.7 > 0.3 > report["similarity"]["before"]["local_ncc"]


def _read(path) -> Volume:
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    geometry = ImageGeometry(image.GetSize()[::-1], np.diag([-1, -1, 1, 1]) @ matrix)
    return Volume(sitk.GetArrayFromImage(image), geometry, path.name)


def _truth(file) -> DisplacementField:
    """The (I, J, K, 3) LPS field of the data as ours."""
    displacement = file["u"].transpose(2, 1, 0, 3) * [-1, -1, 1]
    matrix = np.diag([float(file["step"])] * 3 + [1.0])
    matrix[:3, 3] = file["origin"]
    return DisplacementField(displacement, ImageGeometry(displacement.shape[:3], np.diag([-1, -1, 1, 1]) @ matrix))
