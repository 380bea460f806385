"""Determinants against hand-derived truth: affine maps, sines, a checkerboard, and det of the matrix itself."""

from itertools import product

import numpy as np
import pytest
from geometry_cases import DIRECTIONS_LPS, every_direction

from NePhiCore.displacement_field import DisplacementField, identity_field
from NePhiCore.errors import InvalidVolumeError
from NePhiCore.folds import (
    determinant_on,
    fold_mask,
    fold_statistics,
    jacobian_determinant,
    one_sided_minimum_in_block,
)
from NePhiCore.geometry import ImageGeometry

SPACING_MM = (1.5, 2.0, 3.0)


def grid(direction_lps=DIRECTIONS_LPS["RAS"], shape=(7, 8, 9), spacing=SPACING_MM) -> ImageGeometry:
    return ImageGeometry.from_spacing(shape, spacing, (5.0, -40.0, 12.0), np.diag([-1, -1, 1]) @ direction_lps)


def affine_field(matrix, geometry: ImageGeometry) -> DisplacementField:
    points = geometry.points_ras_mm()
    return DisplacementField(points @ np.asarray(matrix, float).T - points, geometry)


def random_field(geometry: ImageGeometry, size_mm: float) -> DisplacementField:
    noise = np.random.default_rng(0).normal(0, size_mm, (*geometry.shape_kji, 3))
    return DisplacementField(noise, geometry)


def one_sided_minimum(field: DisplacementField, geometry: ImageGeometry | None = None) -> np.ndarray:
    """Of a whole grid, which is one block."""
    grid = geometry or field.geometry
    k, j, i = (slice(0, n) for n in grid.shape_kji)
    return one_sided_minimum_in_block(field, grid, (k, j, i))


def determinants_by_definition(field: DisplacementField, signs_ijk) -> np.ndarray:
    """det(I + du/dx) at the inner voxels from 3 x 3 matrices; differences on the given sides, 0 is central."""
    u = field.displacement_ras_mm.astype(np.float64)
    inner = (slice(1, -1),) * 3
    columns = []
    for axis_kji, sign in zip((2, 1, 0), signs_ijk):
        after, before = (np.roll(u, -1, axis_kji), u) if sign > 0 else (u, np.roll(u, 1, axis_kji))
        if sign == 0:
            after, before = np.roll(u, -1, axis_kji) / 2, np.roll(u, 1, axis_kji) / 2
        columns.append((after - before)[inner])
    by_index = np.stack(columns, -1)
    return np.linalg.det(np.eye(3) + by_index @ np.linalg.inv(field.geometry.ijk_to_ras[:3, :3]))


@every_direction
@pytest.mark.parametrize(
    ("matrix", "determinant"),
    [
        (np.diag([2.0, 0.5, 1.5]), 1.5),
        ([[1, 0.5, 0], [0, 1, 0.25], [0, 0, 1]], 1.0),
        (np.diag([-1.0, 1.0, 1.0]), -1.0),
        ([[0, -1, 0], [1, 0, 0], [0, 0, 0.3]], 0.3),
    ],
    ids=["stretch", "shear", "mirror", "turn and squeeze"],
)
def test_an_affine_map_has_its_determinant_everywhere_borders_included(direction_lps, matrix, determinant):
    field = affine_field(matrix, grid(direction_lps))
    np.testing.assert_allclose(jacobian_determinant(field), determinant, atol=1e-4)
    np.testing.assert_allclose(one_sided_minimum(field), determinant, atol=1e-4)


@every_direction
def test_a_sine_map_has_the_determinant_derived_by_hand(direction_lps):
    """u = (a sin(w A), a sin(w R), 0) in RAS: det = 1 - a^2 w^2 cos(w A) cos(w R)."""
    amplitude, w = 6.0, 0.12
    geometry = grid(direction_lps, shape=(9, 30, 30), spacing=(0.5, 0.5, 0.5))
    right, anterior, _ = np.moveaxis(geometry.points_ras_mm(), -1, 0)
    displacement = np.stack([amplitude * np.sin(w * anterior), amplitude * np.sin(w * right), 0 * right], -1)
    expected = 1 - (amplitude * w) ** 2 * np.cos(w * anterior) * np.cos(w * right)
    assert np.ptp(expected) > 0.1
    inner = (slice(1, -1),) * 3
    determinant = jacobian_determinant(DisplacementField(displacement, geometry))
    np.testing.assert_allclose(determinant[inner], expected[inner], atol=1.5e-3)


def test_a_sine_along_one_axis_is_exact_on_its_grid():
    """u_R = a sin(w R), spacing h: the central difference is a cos(w R) sin(w h) / h, exactly."""
    amplitude, w, h = 4.0, 0.3, 1.5
    geometry = grid()
    right = geometry.points_ras_mm()[..., 0]
    displacement = np.stack([amplitude * np.sin(w * right), 0 * right, 0 * right], -1)
    determinant = jacobian_determinant(DisplacementField(displacement, geometry))
    expected = 1 + amplitude * np.cos(w * right) * np.sin(w * h) / h
    np.testing.assert_allclose(determinant[:, :, 1:-1], expected[:, :, 1:-1], atol=1e-5)


def test_a_checkerboard_is_folded_and_only_the_one_sided_determinants_see_it():
    """u_R = 0.6 (-1)^i on a 1 mm grid: central differences vanish, one-sided ones are -1.2 and +1.2."""
    geometry = grid(shape=(6, 7, 8), spacing=(1, 1, 1))
    displacement = np.zeros((6, 7, 8, 3))
    displacement[..., 0] = 0.6 * (-1.0) ** np.arange(8)
    field = DisplacementField(displacement, geometry)
    inner = (slice(None), slice(None), slice(1, -1))
    np.testing.assert_allclose(jacobian_determinant(field)[inner], 1, atol=1e-6)
    np.testing.assert_allclose(one_sided_minimum(field)[inner], -0.2, atol=1e-6)
    mask = np.zeros((6, 7, 8), bool)
    mask[inner] = True
    statistics = fold_statistics(field, mask)
    assert statistics.fold_fraction_central == 0
    assert statistics.fold_fraction_any_one_sided == 1
    assert fold_mask(field)[inner].all()


@every_direction
def test_every_side_of_every_axis_is_tried(direction_lps):
    """Against 3 x 3 matrices voxel by voxel; the grid is wider than a block, so the seams are tried too."""
    field = random_field(grid(direction_lps, shape=(5, 6, 70)), 0.8)
    inner = (slice(1, -1),) * 3
    eight = [determinants_by_definition(field, signs) for signs in product((-1, 1), repeat=3)]
    np.testing.assert_allclose(one_sided_minimum(field)[inner], np.min(eight, 0), atol=1e-4)
    central = determinants_by_definition(field, (0, 0, 0))
    np.testing.assert_allclose(jacobian_determinant(field)[inner], central, atol=1e-4)
    np.testing.assert_allclose(np.mean(eight, 0), central, atol=1e-9)


def test_a_determinant_on_another_grid_is_that_of_the_map():
    matrix = [[1.2, 0.1, 0], [0, 0.7, 0.2], [0.1, 0, 1.1]]
    field = affine_field(matrix, grid(shape=(20, 20, 20), spacing=(4, 4, 4)))
    centre = field.geometry.points_ras_mm().mean((0, 1, 2))
    fine = ImageGeometry.from_spacing((5, 6, 7), (0.7, 0.8, 1.1), centre, DIRECTIONS_LPS["oblique left-handed"])
    np.testing.assert_allclose(determinant_on(field, fine), np.linalg.det(matrix), atol=1e-4)
    np.testing.assert_allclose(one_sided_minimum(field, fine), np.linalg.det(matrix), atol=1e-4)


def test_a_grid_of_one_slice_has_no_change_across_it():
    field = affine_field(np.diag([2.0, 3.0, 5.0]), grid(shape=(1, 8, 9)))
    np.testing.assert_allclose(jacobian_determinant(field), 6, atol=1e-4)
    assert jacobian_determinant(identity_field()) == 1


def steps_along_s() -> DisplacementField:
    """u_S = 0 -2 -4 -6 -8 -7 -6 -5 -4 mm on nine slices of 1 mm: slope -2, then +1."""
    displacement = np.zeros((9, 2, 3, 3))
    displacement[..., 2] = np.array([0, -2, -4, -6, -8, -7, -6, -5, -4])[:, None, None]
    return DisplacementField(displacement, grid(shape=(9, 2, 3), spacing=(1, 1, 1)))


def test_the_statistics_of_a_staircase_are_those_counted_by_hand():
    """Central det by slice: -1 four times, 0.5 at the turn, 2 four times; one-sided also -1 at the turn."""
    statistics = fold_statistics(steps_along_s())
    assert (statistics.voxels, statistics.folds_central, statistics.folds_any_one_sided) == (54, 24, 30)
    assert statistics.fold_fraction_central == pytest.approx(4 / 9)
    assert statistics.fold_fraction_any_one_sided == pytest.approx(5 / 9)
    assert (statistics.min, statistics.max, statistics.p50) == (-1, 2, 0.5)
    assert (statistics.p1, statistics.p5, statistics.p95, statistics.p99) == (-1, -1, 2, 2)
    assert statistics.min_one_sided == -1
    assert statistics.mean == pytest.approx((-4 + 0.5 + 8) / 9)
    assert statistics.sd_log_j == pytest.approx(np.std(np.log([1e-9] * 4 + [0.5] + [2] * 4)), rel=1e-6)


def test_only_the_mask_counts():
    mask = np.zeros((9, 2, 3), np.uint8)
    mask[6:] = 1
    statistics = fold_statistics(steps_along_s(), mask)
    assert (statistics.voxels, statistics.min, statistics.fold_fraction_any_one_sided) == (18, 2, 0)
    assert statistics.sd_log_j == 0


@pytest.mark.parametrize("shape", [(70, 8, 9), (7, 66, 5), (6, 1, 65), (1, 1, 3)])
def test_a_mask_of_every_voxel_changes_nothing(shape):
    """Borders of the grid and of the blocks that it is computed in are among them: the same digits."""
    field = random_field(grid(shape=shape), 0.6)
    assert fold_statistics(field, np.ones(shape, bool)) == fold_statistics(field)


def test_a_mask_on_a_finer_grid_is_met_there():
    """Half the spacing: slices at S = 4.5 .. 8 lie where the slope is +1; their neighbours too."""
    field = steps_along_s()
    fine = ImageGeometry.from_spacing((17, 2, 3), (1, 1, 0.5), field.geometry.origin_ras_mm)
    mask = np.zeros((17, 2, 3), bool)
    mask[9:] = True
    statistics = fold_statistics(field, mask, fine)
    assert (statistics.voxels, statistics.min, statistics.max) == (48, 2, 2)


def test_a_mask_of_another_shape_or_without_a_voxel_is_refused():
    with pytest.raises(InvalidVolumeError, match=r"\(2, 2, 2\)"):
        fold_statistics(steps_along_s(), np.ones((2, 2, 2), bool))
    with pytest.raises(InvalidVolumeError, match="no voxel"):
        fold_statistics(steps_along_s(), np.zeros((9, 2, 3), bool))
