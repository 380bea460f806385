import numpy as np
import pytest
import torch

from NePhiCore.breathing_motion import BreathingMotion, random_breathing
from NePhiCore.coordinate_updates import CoordinateUpdate, Ramp
from NePhiCore.errors import SettingsError

BOX = np.array([[-130.0, -88.0, -125.0], [126.0, 84.0, 112.0]])
SEEDS = range(50)


def points_around(box=BOX, margin_mm=60.0, count=2000, seed=0):
    return np.random.default_rng(seed).uniform(box[0] - margin_mm, box[1] + margin_mm, (count, 3))


def inhale_lung_points(count=8000):
    """Points of two half ellipsoids on a slanted base: lungs enough for statistics of motion."""
    points = points_around(margin_mm=0, count=4 * count, seed=1)
    side = np.sign(points[:, 0] + 2)
    from_centre = (points - np.stack([72 * side - 2, 0 * side, -60 + 0 * side], 1)) / (52, 84, 170)
    above_dome = points[:, 2] > -70 - 50 * ((np.abs(points[:, 0]) - 60) / 70) ** 2
    return points[((from_centre**2).sum(1) < 1) & above_dome][:count]


def jacobian(motion, point):
    return torch.autograd.functional.jacobian(motion.exhale_to_inhale, torch.as_tensor(point))


@pytest.mark.parametrize("seed", SEEDS)
def test_both_round_trips_return_to_a_millionth_of_a_millimetre(seed):
    motion, points = random_breathing(seed, BOX), points_around(margin_mm=150)
    for there, back in [
        (motion.exhale_to_inhale, motion.inhale_to_exhale),
        (motion.inhale_to_exhale, motion.exhale_to_inhale),
    ]:
        assert np.abs(back(there(points)) - points).max() < 1e-6
        assert np.linalg.norm(there(points) - points, axis=1).max() > 5


@pytest.mark.parametrize("seed", range(3))
def test_determinant_is_that_of_the_jacobian(seed):
    motion, points = random_breathing(seed, BOX), points_around(count=20)
    by_autograd = [torch.linalg.det(jacobian(motion, point)).item() for point in points]
    np.testing.assert_allclose(motion.determinant_exhale_to_inhale(points), by_autograd, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_determinant_agrees_with_finite_differences(seed):
    motion, points, step = random_breathing(seed, BOX), points_around(count=200), 1e-3
    columns = [
        (motion.exhale_to_inhale(points + e) - motion.exhale_to_inhale(points - e)) / (2 * step)
        for e in step * np.eye(3)
    ]
    by_differences = np.linalg.det(np.stack(columns, -1))
    np.testing.assert_allclose(motion.determinant_exhale_to_inhale(points), by_differences, rtol=1e-6)


@pytest.mark.parametrize("strength, seeds", [(1.0, SEEDS), (4.0, range(5))])
def test_determinant_is_positive_everywhere(strength, seeds):
    everywhere, lungs = points_around(margin_mm=100), inhale_lung_points(2000)
    for seed in seeds:
        motion = random_breathing(seed, BOX, strength=strength)
        assert motion.determinant_exhale_to_inhale(everywhere).min() > 0
        assert motion.determinant_exhale_to_inhale(motion.inhale_to_exhale(lungs)).min() > 0


def test_a_chain_by_hand():
    raise_x = CoordinateUpdate(0, (Ramp(10.0, (0.0, 0.0, 0.0), (20.0, np.inf, np.inf)),))
    shear_z = CoordinateUpdate(2, (Ramp(4.0, (0.0, 0.0, 0.0), (5.0, np.inf, 8.0)),))
    motion = BreathingMotion((raise_x, shear_z), offset_ras_mm=(3.0, 0.0, -1.0))
    # (-3, 7, 1) is offset to the origin; x rises by 10 / 2; then z by 4 / 2 under the window exp(-(5 / 5)^2 / 2).
    mapped, determinant = motion.exhale_to_inhale_with_determinant(np.array([-3.0, 7.0, 1.0]))
    assert mapped == pytest.approx([5.0, 7.0, 2.0 * np.exp(-0.5)])
    assert determinant == pytest.approx((1 + 10 / 80) * (1 + 4 / 32 * np.exp(-0.5)))


def test_without_strength_only_the_offset_is_left():
    motion, points = random_breathing(4, BOX, strength=0.0), points_around(count=10)
    np.testing.assert_allclose(motion.exhale_to_inhale(points), points + motion.offset_ras_mm, atol=1e-12)
    np.testing.assert_array_equal(motion.determinant_exhale_to_inhale(points), 1.0)


def test_offset_is_limited():
    offsets = [np.linalg.norm(random_breathing(seed, BOX, max_offset_mm=12.0).offset_ras_mm) for seed in SEEDS]
    assert max(offsets) == pytest.approx(12.0) and min(offsets) < 11
    assert random_breathing(0, BOX, max_offset_mm=0.0).offset_ras_mm == (0.0, 0.0, 0.0)


def test_a_seed_is_one_motion():
    assert random_breathing(3, BOX) == random_breathing(np.random.default_rng(3), BOX)
    assert random_breathing(3, BOX) != random_breathing(4, BOX)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (4, 5, 3)])
def test_answers_have_the_shape_of_the_question(shape):
    motion, points = random_breathing(0, BOX), np.zeros(shape)
    assert motion.exhale_to_inhale(points).shape == motion.inhale_to_exhale(points).shape == shape
    assert motion.determinant_exhale_to_inhale(points).shape == shape[:-1]


def test_arrays_are_answered_in_float64_and_left_alone():
    points = points_around(count=5).astype(np.float32)
    before = points.copy()
    assert random_breathing(0, BOX).exhale_to_inhale(points).dtype == np.float64
    np.testing.assert_array_equal(points, before)


def test_many_points_are_as_few():
    motion, points = random_breathing(1, BOX), points_around(count=140_000)
    np.testing.assert_allclose(motion.exhale_to_inhale(points)[-50:], motion.exhale_to_inhale(points[-50:]), rtol=1e-14)


def test_tensors_are_answered_in_their_own_dtype():
    motion, points = random_breathing(2, BOX), points_around(count=500)
    tensor = torch.from_numpy(points).float()
    mapped, determinant = motion.exhale_to_inhale_with_determinant(tensor)
    assert mapped.dtype == determinant.dtype == torch.float32
    np.testing.assert_allclose(mapped.numpy(), motion.exhale_to_inhale(points), atol=1e-3)
    torch.testing.assert_close(motion.inhale_to_exhale(mapped), tensor, rtol=0, atol=1e-3)


@pytest.mark.gpu
def test_tensors_stay_on_their_device():
    motion, points = random_breathing(2, BOX), points_around(count=500)
    mapped = motion.inhale_to_exhale(torch.from_numpy(points).cuda())
    assert mapped.is_cuda
    np.testing.assert_allclose(mapped.cpu().numpy(), motion.inhale_to_exhale(points), atol=1e-6)


@pytest.mark.parametrize(
    "box, strength, offset",
    [(BOX[::-1], 1.0, 30.0), (BOX, -0.1, 30.0), (BOX, 1.0, -1.0), (BOX, float("nan"), 30.0)],
)
def test_impossible_settings_are_refused(box, strength, offset):
    with pytest.raises(SettingsError, match="lung box"):
        random_breathing(0, box, strength, offset)


# The ranges below are facts of DIR-Lab COPDGene, ten pairs of full inhale and exhale.


@pytest.fixture(scope="module")
def inhale():
    return inhale_lung_points()


@pytest.fixture(scope="module")
def motions():
    return [random_breathing(seed, BOX) for seed in SEEDS]


@pytest.fixture(scope="module")
def displacements(motions, inhale):
    """(50, N, 3) inhale -> exhale, the patient's offset taken out."""
    return np.stack([m.inhale_to_exhale(inhale) - inhale + m.offset_ras_mm for m in motions])


def test_superior_inferior_motion_falls_from_28_mm_at_the_base_to_none_at_the_apex(displacements, inhale):
    height = (inhale[:, 2] - inhale[:, 2].min()) / np.ptp(inhale[:, 2])
    fifths = np.stack([displacements[:, np.minimum((5 * height).astype(int), 4) == n, 2].mean(1) for n in range(5)])
    np.testing.assert_allclose(np.median(fifths, axis=1), [28, 20, 11, 3, 0], atol=3.5)
    assert fifths[0].min() > 8 and fifths[0].max() < 60


def test_size_of_the_motion(displacements):
    about_their_mean = displacements - displacements.mean(1, keepdims=True)
    mean_mm = np.linalg.norm(about_their_mean, axis=2).mean(1)
    assert mean_mm.min() > 5 and mean_mm.max() < 19.2 and 7.1 < np.median(mean_mm) < 15
    assert np.linalg.norm(displacements, axis=2).max() < 75


def test_left_right_spread(displacements):
    spread = displacements[..., 0].std(1)
    assert spread.min() > 2 and spread.max() < 9 and 2.5 < np.median(spread) < 7


def test_anterior_wall_goes_back_more_than_the_posterior_wall(displacements, inhale):
    anterior, posterior = (displacements[:, wall, 1].mean(1) for wall in (inhale[:, 1] > 45, inhale[:, 1] < -45))
    assert 3 < np.median(posterior - anterior) < 20
    assert np.median(anterior) < -4


def test_determinant_and_volume(motions, inhale):
    determinants = np.stack([m.determinant_exhale_to_inhale(m.inhale_to_exhale(inhale)) for m in motions])
    volume_ratio = (1 / determinants).mean(1)  # exhale volume over inhale volume
    assert volume_ratio.min() > 0.4 and volume_ratio.max() < 0.87 and 0.6 < np.median(volume_ratio) < 0.8
    mean = 1 / volume_ratio  # over the exhale lung
    assert mean.min() > 1.1 and mean.max() < 1.7
    assert determinants.min() > 0.6 and determinants.max() < 2.9


def test_left_and_right_move_differently(displacements, inhale):
    base = inhale[:, 2] < -60
    right, left = (displacements[:, base & side, 2].mean(1) for side in (inhale[:, 0] > 0, inhale[:, 0] < 0))
    assert np.median(np.abs(right - left)) > 1
