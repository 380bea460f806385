"""Cells of lung against the whole cube: the same costs, the same features, nothing else touched."""

import pytest
import torch
from plain_search import plain_costs, plain_seen_through
from torch.nn import functional as F

from NePhiCore import lung_cells
from NePhiCore.lung_cells import LungCells, matching_costs, seen_through
from NePhiCore.sampling import cube_grid


def random(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def a_lung(size: int) -> torch.Tensor:
    """(1, 1, S, S, S) an ellipsoid away from the middle, with a soft rim."""
    z, y, x = (cube_grid((size,) * 3) - torch.tensor([0.1, -0.2, 0.15])).unbind(-1)
    return (2 - 2 * ((z / 0.7) ** 2 + (y / 0.5) ** 2 + (x / 0.6) ** 2)).clamp(0, 1)[None, None]


def cells_of(lungs: torch.Tensor, cell: int) -> tuple[LungCells, torch.Tensor]:
    """The cells that hold lung, and which they are: (n, n, n) bool."""
    share = F.avg_pool3d(lungs, cell)
    return LungCells.of(share, cell, lungs.shape[2]), share[0, 0] > 0


@pytest.mark.parametrize(("size", "cell", "radius"), [(16, 4, 3), (18, 2, 1), (20, 3, 2), (14, 4, 5)])
def test_the_costs_are_those_of_the_whole_cube(size, cell, radius):
    """Within 1e-6 of costs of about one; sizes that are no multiple of the cell among them."""
    fixed, moving, lungs = random(1, 3, size, size, size), random(1, 3, size, size, size, seed=1), a_lung(size)
    cells, held = cells_of(lungs, cell)
    costs = matching_costs(fixed, moving, lungs, cells, radius)
    expected = plain_costs(fixed.double(), moving.double(), lungs.double(), cell, radius)
    assert costs.shape == ((2 * radius + 1) ** 3, int(held.sum())) and 0 < held.sum() < held.numel()
    assert expected[:, held].max() > 1
    torch.testing.assert_close(costs.double(), expected[:, held], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("values", [1, 500, 10**9])
def test_how_many_cells_are_compared_at_once_is_of_no_consequence(monkeypatch, values):
    fixed, moving, lungs = random(1, 2, 16, 16, 16), random(1, 2, 16, 16, 16, seed=1), a_lung(16)
    cells, _ = cells_of(lungs, 4)
    usual = matching_costs(fixed, moving, lungs, cells, 2)
    monkeypatch.setattr(lung_cells, "_CACHE_VALUES", values)
    torch.testing.assert_close(matching_costs(fixed, moving, lungs, cells, 2), usual, atol=1e-6, rtol=1e-6)


def test_a_cube_without_lung_has_no_cells_and_no_costs():
    nothing = torch.zeros(1, 1, 12, 12, 12)
    cells, _ = cells_of(nothing, 3)
    assert matching_costs(random(1, 2, 12, 12, 12), random(1, 2, 12, 12, 12), nothing, cells, 1).shape == (27, 0)
    assert not seen_through(random(1, 2, 12, 12, 12), torch.zeros(1, 3, 2, 2, 2), cells, 1).any()


@pytest.mark.parametrize(("size", "cell", "radius"), [(16, 4, 1), (17, 4, 3), (20, 3, 3)])
def test_every_voxel_within_reach_of_a_cell_is_there_once(size, cell, radius):
    """And none further away than the radius rounded up to whole cells, or the voxels that no cell takes."""
    cells, held = cells_of(a_lung(size), cell)
    found = torch.zeros((size,) * 3, dtype=torch.int64)
    found[tuple(cells.voxels_within(radius).T)] += 1
    found = found.flatten()
    assert len(cells.voxels_within(radius)) == found.sum()
    covered = torch.zeros(size, size, size)
    n = size // cell
    covered[: n * cell, : n * cell, : n * cell] = (
        held.float().repeat_interleave(cell, 0).repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    )

    def within(r):
        return F.max_pool3d(covered[None, None], 2 * r + 1, 1, r).flatten() > 0

    assert found[within(radius)].all()
    assert not found[~within(radius + 2 * cell - 1)].any()


def test_moving_features_are_seen_as_over_the_whole_cube_within_reach_of_the_cells():
    """Displacements up to a third of the cube, out of it in places; elsewhere the features are zero."""
    size, cell, radius = 20, 4, 2
    moving, start = random(1, 3, size, size, size), 0.3 * random(1, 3, 4, 4, 4, seed=2)
    cells, _ = cells_of(a_lung(size), cell)
    seen = seen_through(moving, start, cells, radius).flatten(2)
    expected = plain_seen_through(moving, start).flatten(2)
    near = torch.zeros((size,) * 3, dtype=torch.bool)
    near[tuple(cells.voxels_within(radius).T)] = True
    near = near.flatten()
    assert 0 < near.sum() < near.numel() and (expected[0, 0, near] == 0).any()
    torch.testing.assert_close(seen[..., near], expected[..., near], atol=2e-5, rtol=0)
    assert not seen[..., ~near].any()


def test_displacements_along_x_taken_together_cost_what_they_cost_alone():
    """As a GPU takes them: all at once."""
    there, here, weight = random(2, 7, 7, 7, 5), random(2, 27, 5, seed=1), random(27, 5, seed=2).abs()
    alone, together = torch.empty(5, 5, 5, 5), torch.empty(5, 5, 5, 5)
    lung_cells._displace(there, here, weight, alone, 1)
    lung_cells._displace(there, here, weight, together, 5)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
