import numpy as np
import pytest

from NePhiCore.phantom_vessels import Tubes, beside, chain, grow_tree, joined, tube_coverage

ORIGIN = np.zeros(3)


def a_tree(ends=64, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.uniform(0, 60, (ends, 3))
    return grow_tree(rng, np.array([-5.0, 30.0, 30.0]), targets), targets


def test_tree_reaches_every_target_once():
    tree, targets = a_tree()
    leaves = tree.ends_ras_mm[-64:]
    np.testing.assert_allclose(leaves[np.lexsort(leaves.T)], targets[np.lexsort(targets.T)], atol=1e-9)


def test_every_branch_starts_where_its_parent_ends():
    tree, _ = a_tree()
    parents = (np.arange(1, 127) - 1) // 2
    np.testing.assert_array_equal(tree.starts_ras_mm[1:], tree.ends_ras_mm[parents])
    np.testing.assert_array_equal(tree.starts_ras_mm[0], [-5.0, 30.0, 30.0])


def test_branches_get_thinner_by_one_law():
    tree, _ = a_tree()
    assert (tree.radii_mm[(np.arange(1, 127) - 1) // 2] > tree.radii_mm[1:]).all()
    assert tree.radii_mm[0] ** 3.2 == pytest.approx(64 * tree.radii_mm[-1] ** 3.2)


def test_bronchi_are_joined_to_each_other_and_run_beside_the_artery():
    tree, _ = a_tree()
    bronchi = beside(tree, np.array([0.0, 1.0, 0.0]), tree.radii_mm[14])  # four generations: 15 tubes
    assert len(bronchi.radii_mm) == 15
    np.testing.assert_allclose(bronchi.starts_ras_mm[1:], bronchi.ends_ras_mm[(np.arange(1, 15) - 1) // 2])
    shift = bronchi.ends_ras_mm - tree.ends_ras_mm[:15]
    assert (shift[:, 1] > bronchi.radii_mm + tree.radii_mm[:15] - 1e-9).all() and not shift[:, [0, 2]].any()


@pytest.mark.parametrize("radius", [0.6, 1.1, 1.3, 5.0], ids="radius {} mm".format)
@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_a_tube_fills_its_volume(radius, spacing):
    tube = chain([(10.3, 12.1, 9.7), (28.9, 22.4, 25.2)], radius)
    length = np.linalg.norm(tube.ends_ras_mm - tube.starts_ras_mm)
    coverage = tube_coverage((40, 40, 40), ORIGIN, spacing, tube)
    assert coverage.dtype == np.float32 and 0 <= coverage.min() and coverage.max() <= 1
    round_ends = 4 / 3 * np.pi * radius**3 if radius > 0.7 * spacing else 0.0
    assert coverage.sum() * spacing**3 == pytest.approx(np.pi * radius**2 * length + round_ends, rel=0.1)


def test_a_tube_lies_where_it_was_asked_for():
    tube = chain([(-20.0, 4.0, 30.0), (-8.0, 4.0, 30.0)], 2.0)
    coverage = tube_coverage((20, 20, 30), np.array([-30.0, -10.0, 20.0]), 1.0, tube)
    filled_kji = np.argwhere(coverage == 1)
    # Full up to 1.5 voxels from the axis, which runs from i = 10 to 22 at j = 14, k = 10, and around its ends.
    assert filled_kji.min(0).tolist() == [9, 13, 9] and filled_kji.max(0).tolist() == [11, 15, 23]


def test_tubes_outside_the_grid_leave_it_empty():
    outside = joined(chain([(-50, 0, 0), (-40, 0, 0)], 5.0), chain([(90, 5, 5), (95, 5, 5)], 0.5))
    assert not tube_coverage((20, 20, 20), ORIGIN, 1.0, outside).any()


def test_chosen_tubes_keep_their_order():
    tubes = Tubes(np.arange(9.0).reshape(3, 3), np.ones((3, 3)), np.array([1.0, 2.0, 3.0]))
    chosen = tubes[np.array([True, False, True])]
    assert chosen.radii_mm.tolist() == [1.0, 3.0] and chosen.starts_ras_mm.tolist() == [[0, 1, 2], [6, 7, 8]]
