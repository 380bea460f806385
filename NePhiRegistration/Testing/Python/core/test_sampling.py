"""Reading grids at points: against a trilinear reading written out by hand, PyTorch's own, and its derivatives."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from NePhiCore.errors import SettingsError
from NePhiCore.sampling import cube_grid, points_among, read_channels, read_image, read_linear, uniform_points

SHAPE = (4, 5, 6)
READERS = pytest.mark.parametrize("read", [read_linear, read_channels, read_image])


def trilinear_by_hand(grid: np.ndarray, point_zyx: np.ndarray) -> np.ndarray:
    """(C, D, H, W) at one point of the cube -> (C,), in float64; beyond the cube the edge is repeated."""
    position = [(min(max(p, -1.0), 1.0) + 1) / 2 * (n - 1) for p, n in zip(point_zyx, grid.shape[1:])]
    low = [min(int(p), max(n - 2, 0)) for p, n in zip(position, grid.shape[1:])]
    value = np.zeros(len(grid))
    for corner in product((0, 1), repeat=3):
        weight = np.prod([p - n if c else 1 - (p - n) for p, n, c in zip(position, low, corner)])
        if weight:
            value += weight * grid[:, low[0] + corner[0], low[1] + corner[1], low[2] + corner[2]]
    return value


def random_grid(batch=2, channels=3, shape=SHAPE) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(batch, channels, *shape)))


def awkward_points(batch=2) -> torch.Tensor:
    """Points inside, on the samples, on the rim, at the corners and far beyond."""
    rng = np.random.default_rng(1)
    inside = rng.uniform(-1, 1, (batch, 60, 3))
    beyond = rng.uniform(-3, 3, (batch, 40, 3))
    samples = np.tile(cube_grid(SHAPE).reshape(1, -1, 3).double(), (batch, 1, 1))
    corners = np.tile(list(product((-1.0, 0.0, 1.0), repeat=3)), (batch, 1, 1))
    return torch.from_numpy(np.concatenate([inside, beyond, samples, corners], 1))


@READERS
def test_a_reading_is_that_written_out_by_hand(read):
    grid, points = random_grid(), awkward_points()
    expected = [[trilinear_by_hand(g, p) for p in some] for g, some in zip(grid.numpy(), points.numpy())]
    np.testing.assert_allclose(read(grid, points).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(read(grid.float(), points.float()).numpy(), expected, atol=1e-5)


def test_both_readings_are_pytorchs_own():
    grid, points = random_grid(), awkward_points()
    where = points[..., [2, 1, 0]][:, :, None, None]
    expected = F.grid_sample(grid, where, padding_mode="border", align_corners=True)[..., 0, 0].transpose(1, 2)
    torch.testing.assert_close(read_linear(grid, points), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(read_image(grid, points), expected, rtol=0, atol=0)


@READERS
def test_coordinates_are_in_the_order_z_y_x(read):
    """The grid that holds its own coordinates reads as the point itself, and beyond the cube as the nearest one."""
    grid = cube_grid(SHAPE).double().permute(3, 0, 1, 2)[None]
    points = awkward_points(batch=1)
    torch.testing.assert_close(read(grid, points), points.clamp(-1, 1), rtol=0, atol=1e-6)


@READERS
def test_minus_one_and_one_are_the_centres_of_the_outermost_samples(read):
    line = torch.tensor([10.0, 20.0, 40.0, 80.0, 160.0]).reshape(1, 1, 5, 1, 1)
    points = torch.tensor([[-1.0, 0, 0], [-0.5, 0, 0], [-0.25, 0, 0], [1, 0, 0], [1.7, 0, 0], [-9, 0, 0]])[None]
    assert read(line, points).flatten().tolist() == pytest.approx([10, 20, 30, 160, 160, 10])


@READERS
@pytest.mark.parametrize("shape", [(1, 5, 6), (4, 1, 6), (4, 5, 1), (1, 1, 1)])
def test_an_axis_of_one_sample_is_constant(read, shape):
    grid, points = random_grid(shape=shape), awkward_points()
    expected = [[trilinear_by_hand(g, p) for p in some] for g, some in zip(grid.numpy(), points.numpy())]
    np.testing.assert_allclose(read(grid, points).numpy(), expected, atol=1e-6)


def test_each_image_of_a_batch_is_read_at_its_own_points():
    grid, points = random_grid(), awkward_points()
    both = read_linear(grid, points)
    for n in range(2):
        torch.testing.assert_close(read_linear(grid[n : n + 1], points[n : n + 1]), both[n : n + 1], rtol=0, atol=0)


def points_within_cells(shape=(3, 2, 4)) -> tuple[torch.Tensor, torch.Tensor]:
    """A small grid and points away from the faces between cells, where the slope jumps; one lies beyond the cube."""
    grid = random_grid(batch=2, channels=2, shape=shape).requires_grad_(True)
    inner = torch.from_numpy(np.random.default_rng(2).uniform(0.2, 0.8, (2, 3, 3)))
    cell = torch.tensor([[[0, 0, 0], [1, 0, 2], [1, 0, 1]]])
    points = (cell + inner) / (torch.tensor(shape) - 1) * 2 - 1
    points[1, 2, 0] = 1.4
    return grid, points.requires_grad_(True)


@pytest.mark.parametrize("read", [read_linear, read_channels])
def test_the_first_derivative_is_right_in_the_grid_and_in_the_points(read):
    assert torch.autograd.gradcheck(read, points_within_cells())


@pytest.mark.parametrize("which", [0, 1], ids=["grid", "points"])
def test_one_derivative_of_a_reading_can_be_had_without_the_other(which):
    slopes = []
    for read in (read_linear, read_channels):
        given = [part.detach() for part in points_within_cells()]
        leaf = given[which].requires_grad_(True)
        read(*given).square().sum().backward()
        slopes.append(leaf.grad)
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-12)


def test_the_second_derivative_is_right_in_the_grid_and_in_the_points():
    assert torch.autograd.gradgradcheck(read_linear, points_within_cells())


def test_the_mixed_derivative_of_a_single_corner_is_that_derived_by_hand():
    """8 at the far corner of one cell: 8 f_z f_y f_x with f = (p + 1) / 2, so d2/dz dy = 2 f_x and d2/dz2 = 0."""
    grid = torch.zeros(1, 1, 2, 2, 2, dtype=torch.float64)
    grid[..., 1, 1, 1] = 8.0
    point = torch.tensor([[[0.2, -0.4, 0.6]]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(read_linear(grid, point).sum(), point, create_graph=True)
    assert slope.flatten().tolist() == pytest.approx([4 * 0.3 * 0.8, 4 * 0.6 * 0.8, 4 * 0.6 * 0.3])
    (of_slope,) = torch.autograd.grad(slope[0, 0, 0], point)
    assert of_slope.flatten().tolist() == pytest.approx([0, 2 * 0.8, 2 * 0.3])


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("read", [read_linear, read_channels])
def test_threads_add_up_a_gradient_in_one_order(read, two_threads):
    """Many points share a corner; adding them up as the threads come would differ in the last bit now and then."""
    grid = torch.rand(1, 32, 20, 20, 20, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    points = uniform_points(6000, torch.Generator().manual_seed(1))
    first, *others = (torch.autograd.grad(read(grid, points).sum(), grid)[0] for _ in range(12))
    assert all(torch.equal(first, other) for other in others)


def test_the_slope_of_all_readings_agrees_and_is_zero_beyond_the_cube():
    slopes = []
    for read in (read_linear, read_channels, read_image):
        grid, points = points_within_cells()
        read(grid, points).square().sum().backward()
        slopes.append((grid.grad, points.grad))
    for other in slopes[1:]:
        torch.testing.assert_close(slopes[0], other, rtol=0, atol=1e-12)
    assert slopes[0][1][1, 2, 0] == 0 and slopes[0][1].count_nonzero() == 17


@pytest.mark.parametrize("read", [read_linear, read_channels])
@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 5, 6), (2, 2, 2)])
def test_a_point_that_is_nan_reads_as_nan_so_that_a_diverging_optimisation_is_noticed(read, shape):
    points = torch.tensor([[[torch.nan, torch.nan, torch.nan], [0.1, 0.2, torch.nan], [0.1, 0.2, torch.inf]]])
    values = read(random_grid(batch=1, shape=shape).float(), points)
    assert values[0, :2].isnan().all() and values[0, 2].isfinite().all()


def test_the_grid_of_the_cube_goes_from_corner_to_corner_z_first():
    grid = cube_grid((3, 1, 2))
    assert grid.shape == (3, 1, 2, 3)
    assert grid[..., 0].flatten().tolist() == [-1, -1, 0, 0, 1, 1]
    assert grid[..., 1].flatten().tolist() == [0] * 6
    assert grid[..., 2].flatten().tolist() == [-1, 1] * 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_uniform_points_fill_the_cube_evenly():
    points = uniform_points(8000, generator(), batch=2)
    assert points.shape == (2, 8000, 3)
    assert points.min() >= -1 and points.max() <= 1
    octant = ((points[0] > 0) * torch.tensor([4, 2, 1])).sum(-1)
    counts = torch.bincount(octant, minlength=8)
    assert (counts - 1000).abs().max() < 150  # five standard deviations
    assert points.square().mean() == pytest.approx(1 / 3, abs=0.01)


def test_the_same_seed_draws_the_same_points():
    voxels, cell = cube_grid((3, 3, 3)).reshape(-1, 3), torch.ones(3)
    assert torch.equal(uniform_points(5, generator(3)), uniform_points(5, generator(3)))
    assert not torch.equal(uniform_points(5, generator(3)), uniform_points(5, generator(4)))
    first, again = (points_among(voxels, 5, cell, generator(3)) for _ in range(2))
    assert torch.equal(first, again)


def test_points_among_voxels_lie_evenly_within_each_of_them():
    voxels = torch.tensor([[-0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.0, 0.9, -0.9]])
    cell = torch.tensor([0.1, 0.2, 0.4])
    points = points_among(voxels, 6000, cell, generator())
    assert points.shape == (1, 6000, 3)
    offset = (points[0][:, None] - voxels) / cell
    inside = (offset.abs() <= 0.5 + 1e-5).all(-1)
    assert (inside.sum(1) == 1).all()
    assert (inside.sum(0) - 2000).abs().max() < 200
    within = offset[inside]
    assert within.min() < -0.49 and within.max() > 0.49
    torch.testing.assert_close(within.mean(0), torch.zeros(3), rtol=0, atol=0.02)
    torch.testing.assert_close(within.var(0), torch.full((3,), 1 / 12), rtol=0, atol=0.005)


def test_no_voxel_to_draw_from_is_said():
    with pytest.raises(SettingsError, match="lung mask is empty"):
        points_among(torch.zeros(0, 3), 5, torch.ones(3), generator())
