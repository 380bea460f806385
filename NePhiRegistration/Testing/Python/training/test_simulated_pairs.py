"""Simulated pairs: the truth holds for the images, mass is conserved, tissue slides outside the lungs alone."""

import functools

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from training_cases import SMALL_SEARCH, a_subject, generators

from NePhiCore.sampling import cube_grid, read_image
from training import simulated_pairs
from training.motions import Motion, box_to_ras, random_motion
from training.simulated_pairs import IdealPair, ideal_pair, simulate_pair
from training.subjects import apply_matrix

SUBJECT = a_subject()
INHALE_CUBE = box_to_ras(np.array([-120.0, -85, -105]), np.array([120.0, 85, 125]))


@pytest.fixture(autouse=True)
def small_cubes(monkeypatch):
    monkeypatch.setattr(simulated_pairs, "SEARCH_SIZE", SMALL_SEARCH)


def stretched(factor: float, shift_mm: float) -> Motion:
    """Inhale z is `factor` times exhale z plus `shift_mm`; the wall stays."""

    def forth(points):
        return points * points.new_tensor([1, 1, factor]) + points.new_tensor([0, 0, shift_mm])

    def back(points):
        return (points - points.new_tensor([0, 0, shift_mm])) / points.new_tensor([1, 1, factor])

    return Motion(forth, back, lambda points: points)


@functools.cache
def a_random_pair(seed: int) -> tuple[IdealPair, Motion]:
    motion = random_motion(SUBJECT.box_ras_mm, np.random.default_rng(seed), generators(seed=seed)[0])
    exhale_lungs = motion.inhale_to_exhale(torch.from_numpy(SUBJECT.lung_points_ras_mm)).numpy()
    exhale_cube = box_to_ras(exhale_lungs.min(0) - 12, exhale_lungs.max(0) + 12)
    return ideal_pair(SUBJECT, motion, INHALE_CUBE, exhale_cube), motion


def determinant(motion: Motion, points_ras_mm: torch.Tensor, step_mm=2.0) -> torch.Tensor:
    """(N,) local volume at inhale over that at exhale, by differences of the motion itself."""
    steps = torch.eye(3, dtype=points_ras_mm.dtype) * step_mm
    rows = [motion.exhale_to_inhale(points_ras_mm + s) - motion.exhale_to_inhale(points_ras_mm - s) for s in steps]
    return torch.linalg.det(torch.stack(rows, 1) / (2 * step_mm))


def mass(cube) -> float:
    """Litres of water in the lungs."""
    voxel_litres = abs(np.linalg.det(cube.norm_to_ras)) * (2 / (SMALL_SEARCH - 1)) ** 3 * 1e-6
    return float((cube.image * cube.lungs).sum()) * voxel_litres


def points_of(cube) -> torch.Tensor:
    """(1, N, 3) centres of voxels whole of lung."""
    return cube_grid((SMALL_SEARCH,) * 3)[cube.lungs[0, 0] > 0.99][None]


def deep_points_of(cube) -> torch.Tensor:
    """(1, N, 3) of these the ones with lung all around."""
    deep = -F.max_pool3d(-cube.lungs, 3, stride=1, padding=1) > 0.99
    return cube_grid((SMALL_SEARCH,) * 3)[deep[0, 0]][None]


@pytest.mark.parametrize("seed", range(3))
def test_to_inhale_and_back_is_the_identity(seed):
    pair, _ = a_random_pair(seed)
    points = points_of(pair.exhale)
    there = points + read_image(pair.exhale_to_inhale, points)
    inside = there.abs().amax(-1) < 1
    again = there + read_image(pair.inhale_to_exhale, there)
    assert (again - points)[inside].norm(dim=-1).mean() * 135 < 0.2
    assert (again - points)[inside].norm(dim=-1).max() * 135 < 1.5


def test_the_fields_are_the_motion_in_cube_units():
    pair = ideal_pair(SUBJECT, stretched(1.25, 10), INHALE_CUBE, INHALE_CUBE)
    points = points_of(pair.exhale)[0]
    moved = read_image(pair.exhale_to_inhale, points[None])[0]
    z_mm = 10 + 115 * points[:, 0]  # the cube's middle and half of its height
    assert torch.allclose(moved[:, 0] * 115, 0.25 * z_mm + 10, atol=1e-3) and moved[:, 1:].abs().max() < 1e-5


def test_lungs_that_shrink_grow_denser_by_as_much():
    pair = ideal_pair(SUBJECT, stretched(1.25, 0), INHALE_CUBE, INHALE_CUBE)
    points = points_of(pair.exhale)
    at_inhale = read_image(pair.inhale.image, points + read_image(pair.exhale_to_inhale, points))
    at_exhale = read_image(pair.exhale.image, points)
    assert abs(float(at_exhale.mean() / at_inhale.mean()) - 1.25) < 0.01
    assert (at_exhale - 1.25 * at_inhale).abs().mean() < 0.01  # with the waves of density: 0.08 high


@pytest.mark.parametrize("seed", range(3))
def test_the_mass_of_the_lungs_stays(seed):
    pair, _ = a_random_pair(seed)
    assert abs(mass(pair.exhale) / mass(pair.inhale) - 1) < 0.08  # of up to 150 %


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_explains_the_images_and_no_motion_does_not(seed):
    pair, motion = a_random_pair(seed)
    points = deep_points_of(pair.exhale)
    growth = determinant(motion, apply_matrix(pair.exhale.norm_to_ras, points[0].double()))[None, :, None]
    exhale, still = read_image(pair.exhale.image, points), read_image(pair.inhale.image, points)
    moved = read_image(pair.inhale.image, points + read_image(pair.exhale_to_inhale, points))
    error, error_of_none = (exhale - growth * moved).abs().mean(), (exhale - growth * still).abs().mean()
    assert error < 0.006 < 0.012 < error_of_none


def test_tissue_slides_outside_the_lungs_alone():
    """The lungs go up by 15 mm, the wall stays: its density, which grows with z, is that of inhale."""
    pair = ideal_pair(SUBJECT, stretched(1.0, 15), INHALE_CUBE, INHALE_CUBE)
    grid = cube_grid((SMALL_SEARCH,) * 3)
    z_mm, wall = 10 + 115 * grid[..., 0], (grid[..., 2].abs() > 0.94) & (grid[..., 0].abs() < 0.8)
    assert torch.allclose(pair.exhale.image[0, 0][wall], 1 + 0.001 * z_mm[wall], atol=3e-3)
    points = deep_points_of(pair.exhale)
    lifted = points + points.new_tensor([15 / 115, 0, 0])
    difference = read_image(pair.exhale.image, points) - read_image(pair.inhale.image, lifted)
    assert difference.abs().mean() < 0.01
    assert torch.allclose(read_image(pair.exhale.lungs, points), read_image(pair.inhale.lungs, lifted), atol=0.15)


def test_where_lungs_made_room_the_wall_is_no_lung():
    pair = ideal_pair(SUBJECT, stretched(1.0, 15), INHALE_CUBE, INHALE_CUBE)
    left = (pair.inhale.lungs > 0.99) & (pair.exhale.lungs < 0.01)  # tissue now, where lung was
    assert left.any() and pair.exhale.image[left].min() > 0.8


def test_a_seed_gives_one_pair_and_both_directions_occur():
    pairs = [simulate_pair(SUBJECT, np.random.default_rng(seed)) for seed in (0, 0, 1, 2)]
    assert torch.equal(pairs[0].fixed.image, pairs[1].fixed.image) and torch.equal(pairs[0].forth, pairs[1].forth)
    assert not torch.equal(pairs[0].forth, pairs[2].forth)
    inhale_is_larger = [np.prod(p.millimetres[0]) > np.prod(p.millimetres[1]) for p in pairs]
    assert len(set(inhale_is_larger)) == 2
