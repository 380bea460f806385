"""Motions in RAS mm: each way undoes the other, the chest wall moves less, breathing is as large as in patients."""

import numpy as np
import pytest
import torch
from training_cases import BOX_RAS_MM, generators

from training import motions
from training.motions import box_to_ras, random_motion
from training.subjects import apply_matrix


def points_in_lungs(count=3000) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(*BOX_RAS_MM, (count, 3)))


def motion_of(seed: int):
    return random_motion(BOX_RAS_MM, np.random.default_rng(seed), generators(seed=seed)[0])


@pytest.fixture
def smooth_alone(monkeypatch):
    monkeypatch.setattr(motions, "_SMOOTH_SHARE", 1.0)


@pytest.fixture
def breathing_alone(monkeypatch):
    monkeypatch.setattr(motions, "_SMOOTH_SHARE", 0.0)


def round_trip_mm(seed: int) -> float:
    motion, points = motion_of(seed), points_in_lungs()
    return float((motion.exhale_to_inhale(motion.inhale_to_exhale(points)) - points).norm(dim=-1).max())


@pytest.mark.parametrize("seed", range(3))
def test_breathing_there_and_back_is_the_identity(seed, breathing_alone):
    assert round_trip_mm(seed) < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_motion_there_and_back_is_the_identity(seed, smooth_alone):
    assert round_trip_mm(seed) < 0.1


def test_the_wall_makes_the_same_part_of_a_smooth_motion_everywhere(smooth_alone):
    motion, points = motion_of(0), points_in_lungs()
    lungs, wall = motion.exhale_to_inhale(points) - points, motion.wall_to_inhale(points) - points
    share = (lungs * wall).sum(-1) / lungs.square().sum(-1)
    assert torch.allclose(share, share.mean().expand_as(share), atol=1e-4) and 0.15 <= share.mean() < 1
    assert torch.allclose(wall, share.mean() * lungs, atol=1e-3)


def test_the_base_moves_by_centimetres_and_the_apex_little(breathing_alone):
    base, apex = [], []
    for seed in range(12):
        motion, points = motion_of(seed), points_in_lungs(500)
        moved = motion.exhale_to_inhale(points)[:, 2] - points[:, 2]
        height = (points[:, 2] - BOX_RAS_MM[0, 2]) / np.ptp(BOX_RAS_MM[:, 2])
        top = float(moved[height > 0.85].mean())
        base.append(top - float(moved[height < 0.25].mean()))  # downwards against the apex
        apex.append(float(moved[height > 0.85].std()))
    assert min(base) > 3 and 15 < np.median(base) < 45 and np.median(apex) < 5


def test_the_same_seed_gives_the_same_motion():
    points = points_in_lungs(50)
    for seed in range(4):
        assert torch.equal(motion_of(seed).inhale_to_exhale(points), motion_of(seed).inhale_to_exhale(points))


def test_box_to_ras_maps_the_corners_of_the_cube_to_those_of_the_box():
    corners = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [1, -1, -1]])  # the last: highest z
    mapped = apply_matrix(box_to_ras(*BOX_RAS_MM), corners)
    assert mapped.tolist() == [[-110, -80, -100], [110, 80, 120], [-110, -80, 120]]
