"""The search against displacements that the test itself made, on random texture."""

import pytest
import torch
from plain_search import plain_match

from NePhiCore.features import gaussian_blur
from NePhiCore.matching import STAGES, Level, Match, Stage, cell_centres, match, neighbours_mean, resized, search
from NePhiCore.sampling import cube_grid, read_image

SIZE = 48
STEP = 2.0 / (SIZE - 1)  # a voxel in cube units
ONE_STAGE = Stage(resolution=1.0, cell=4, radius=3)


def texture(seed=0, sigma=0.0) -> torch.Tensor:
    """(1, 2, S, S, S), deviation one; structures as wide as sigma voxels."""
    noise = torch.randn(2, 1, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    noise = gaussian_blur(noise, sigma).transpose(0, 1)
    return noise / noise.std()


def two_lungs() -> torch.Tensor:
    """(1, 1, S, S, S) share of lung: two ellipsoids side by side, nine voxels away from every border."""
    z, y, x = cube_grid((SIZE,) * 3).unbind(-1)
    return (((x.abs() - 0.35) / 0.25) ** 2 + (y / 0.6) ** 2 + (z / 0.6) ** 2 < 1).float()[None, None]


def moved(image: torch.Tensor, shift) -> torch.Tensor:
    """The image whose content lies further on by (z, y, x) voxels."""
    return torch.roll(image, tuple(shift), (2, 3, 4))


def voxels(displacement: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """(3, M) the displacements of the chosen cells, voxels."""
    return displacement[0][:, where] / STEP


def in_lungs(found: Match, share=0.5) -> torch.Tensor:
    return found.lungs[0, 0] > share


def smooth_motion(points: torch.Tensor) -> torch.Tensor:
    """Up to 6 voxels, (z, y, x) in cube units."""
    z, y, x = points.unbind(-1)
    along_z = 0.25 * torch.sin(2 * z + 1) * torch.cos(1.5 * x)
    return torch.stack([along_z, 0.08 * torch.cos(2 * z + y), 0.06 * torch.sin(2 * y)], -1)


def all_points() -> torch.Tensor:
    return cube_grid((SIZE,) * 3).reshape(1, -1, 3)


def seen_through(image: torch.Tensor, motion) -> torch.Tensor:
    """The image whose value at x is that of the given one at x + motion(x)."""
    points = all_points()
    return read_image(image, points + motion(points)).transpose(1, 2).reshape(image.shape)


def levels(features: torch.Tensor, lungs: torch.Tensor | None = None) -> dict[float, Level]:
    """An image at every resolution that a stage asks for."""
    lungs = two_lungs() if lungs is None else lungs
    return {s.resolution: Level(resized(features, s.resolution), resized(lungs, s.resolution)) for s in STAGES}


@pytest.fixture(scope="module")
def followed() -> Match:
    """Every stage's search of a smooth motion."""
    moving = texture(sigma=1.0)
    return search(levels(seen_through(moving, smooth_motion)), levels(moving))


@pytest.mark.parametrize("shift", [(0, 0, 0), (2, -3, 1), (-3, 3, 3), (0, 0, -3)])
def test_a_shift_of_whole_voxels_is_found_exactly(shift):
    """Each cell on its own exactly; the mean with neighbours without lung, which have no say, to a 20th of a voxel."""
    found = match(texture(), moved(texture(), shift), two_lungs(), ONE_STAGE)
    truth = torch.tensor(shift, dtype=torch.float32)[:, None]
    best = voxels(found.best, in_lungs(found, 0.05))
    coupled = voxels(found.coupled, in_lungs(found))
    torch.testing.assert_close(best, truth.expand_as(best), atol=1e-4, rtol=0)
    torch.testing.assert_close(coupled, truth.expand_as(coupled), atol=0.05, rtol=0)
    torch.testing.assert_close(found.cost[0, 0], torch.zeros(12, 12, 12), atol=1e-6, rtol=0)


def test_all_stages_together_find_a_far_shift_to_half_a_voxel():
    """(11, -9, 5) voxels, a quarter of the cube: out of reach at full resolution, found from coarse to fine."""
    shift = (11, -9, 5)
    moving = moved(texture(sigma=1.5), shift)
    found = search(levels(texture(sigma=1.5)), levels(moving))
    error = voxels(found.coupled, in_lungs(found)) - torch.tensor(shift, dtype=torch.float32)[:, None]
    assert error.norm(dim=0).mean() < 0.5
    assert error.norm(dim=0).quantile(0.95) < 1


def test_a_smooth_motion_is_found_to_a_part_of_a_cell(followed):
    """Motion up to 5.9 voxels, cells of the last stage two voxels: the mean error is a third of a voxel."""
    centres = cell_centres(SIZE, followed.cell)
    truth = smooth_motion(centres)[0].T.reshape(followed.coupled.shape)
    where = in_lungs(followed)
    assert voxels(truth, where).norm(dim=0).max() > 5
    error = voxels(followed.coupled - truth, where).norm(dim=0)
    assert error.mean() < 0.4 * followed.cell / 2
    assert error.quantile(0.95) < followed.cell / 2
    alone = voxels(followed.best - truth, where).norm(dim=0)
    assert alone.median() < followed.cell / 2


def test_a_found_motion_has_the_grid_of_the_last_stage(followed):
    cells = SIZE // STAGES[-1].cell
    assert (followed.cell, followed.size) == (STAGES[-1].cell, SIZE)
    assert followed.coupled.shape == followed.best.shape == (1, 3, cells, cells, cells)
    assert followed.cost.shape == followed.lungs.shape == (1, 1, cells, cells, cells)


def test_outside_the_lungs_nothing_is_compared():
    """Other texture there changes no bit, costs nothing, and the cells take what their neighbours found."""
    lungs = two_lungs()
    fixed, moving = texture(), moved(texture(), (1, 2, -1))
    other = torch.where(lungs > 0, fixed, texture(seed=5) * 3)
    found, again = match(fixed, moving, lungs, ONE_STAGE), match(other, moving, lungs, ONE_STAGE)
    for name in ("coupled", "best", "cost", "lungs"):
        assert torch.equal(getattr(found, name), getattr(again, name)), name
    outside = found.lungs[0, 0] == 0
    assert outside.any() and not found.cost[0, 0][outside].any()
    assert torch.equal(found.best[0][:, outside], found.coupled[0][:, outside])


def test_without_any_lung_the_answer_is_finite():
    found = search(levels(texture(), torch.zeros(1, 1, SIZE, SIZE, SIZE)), levels(texture(1)))
    assert torch.isfinite(found.coupled).all() and not found.cost.any()


def test_the_search_goes_on_around_a_start():
    """(9, -7, 6) is out of reach of three voxels, but not of three voxels around (7, -7, 8)."""
    shift, start = (9, -7, 6), (7, -7, 8)
    known = torch.tensor(start, dtype=torch.float32).reshape(1, 3, 1, 1, 1).expand(1, 3, 5, 5, 5) * STEP
    moving, truth = moved(texture(), shift), torch.tensor(shift, dtype=torch.float32)[:, None]
    found = match(texture(), moving, two_lungs(), ONE_STAGE, known)
    best = voxels(found.best, in_lungs(found, 0.05))
    torch.testing.assert_close(best, truth.expand_as(best), atol=1e-3, rtol=0)
    without = match(texture(), moving, two_lungs(), ONE_STAGE)
    assert (voxels(without.best, in_lungs(without, 0.05)) - truth).norm(dim=0).min() > 2


def test_a_start_that_is_exact_is_kept():
    """A smooth start that is the truth already: what is left to find is no shift at all."""
    moving = texture(sigma=2.0)
    known = smooth_motion(cube_grid((SIZE,) * 3)).movedim(-1, 0)[None]
    found = match(seen_through(moving, smooth_motion), moving, two_lungs(), ONE_STAGE, known)
    truth = smooth_motion(cell_centres(SIZE, 4))[0].T.reshape(found.best.shape)
    assert voxels(found.best - truth, in_lungs(found, 0.05)).abs().max() < 0.05


def test_what_a_start_takes_out_of_the_cube_matches_nothing():
    """The features there count as zero, so the cost is that of the fixed texture alone, clamped as it may be."""
    known = torch.zeros(1, 3, 2, 2, 2)
    known[:, 0] = 3.0
    lungs = torch.ones(1, 1, SIZE, SIZE, SIZE)
    found = match(texture(), texture(), lungs, ONE_STAGE, known)
    alone = match(texture(), torch.zeros_like(texture()), lungs, ONE_STAGE)
    torch.testing.assert_close(found.cost, alone.cost)
    assert found.cost.min() > 1


def test_cells_that_show_something_else_follow_their_neighbours():
    """A third of the cells shows other texture: alone they are 5 voxels off, averaged 1.5, coupled 0.4."""
    shift, lungs = torch.tensor([2.0, -1.0, 3.0])[:, None], two_lungs()
    generator = torch.Generator().manual_seed(3)
    is_other = torch.rand(1, 1, 12, 12, 12, generator=generator) < 1 / 3
    other = is_other.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
    found = match(torch.where(other, texture(7), texture()), moved(texture(), (2, -1, 3)), lungs, ONE_STAGE)
    where = is_other[0, 0] & in_lungs(found, 0.9)
    alone, coupled = ((voxels(field, where) - shift).norm(dim=0) for field in (found.best, found.coupled))
    mean = (voxels(neighbours_mean(found.lungs)(found.best), where) - shift).norm(dim=0)
    assert where.sum() > 20 and alone.mean() > 2
    assert coupled.mean() < 0.5 and coupled.mean() < mean.mean() / 3


@pytest.mark.parametrize(
    ("cell", "radius", "begun"), [(4, 3, False), (4, 3, True), (2, 1, True), (3, 2, True), (5, 1, False)]
)
def test_the_quick_search_finds_what_the_plain_one_finds(cell, radius, begun):
    """One cell in a thousand may choose otherwise, where two displacements cost the same to six digits."""
    stage = Stage(1.0, cell, radius)
    moving = texture(sigma=1.0)
    fixed = seen_through(moving, smooth_motion) + 0.2 * texture(9)
    start = 0.9 * smooth_motion(cube_grid((12,) * 3)).movedim(-1, 0)[None] if begun else None
    found = match(fixed, moving, two_lungs(), stage, start)
    in_double = [None if t is None else t.double() for t in (fixed, moving, two_lungs(), start)]
    for name, expected in zip(("coupled", "best", "cost"), plain_match(*in_double[:3], stage, in_double[3])):
        error = (getattr(found, name) - expected).abs()
        assert expected.abs().max() > 0.03, name
        assert error.flatten().quantile(0.999) < 2e-5, name


def test_the_same_images_give_the_same_matches_bit_for_bit():
    fixed, moving = texture(sigma=1.0), moved(texture(sigma=1.0), (3, 1, -2))
    first, second = (search(levels(fixed), levels(moving)) for _ in range(2))
    assert torch.equal(first.coupled, second.coupled) and torch.equal(first.cost, second.cost)


def test_the_features_and_the_start_are_left_as_they_are():
    fixed, moving, lungs, start = texture(), texture(1), two_lungs(), torch.full((1, 3, 4, 4, 4), 0.1)
    before = [tensor.clone() for tensor in (fixed, moving, lungs, start)]
    search(levels(fixed, lungs), levels(moving, lungs), start)
    assert all(torch.equal(*pair) for pair in zip(before, (fixed, moving, lungs, start)))


@pytest.mark.parametrize("share", [1.0, 0.75, 0.5, 0.25])
def test_resized_keeps_where_things_are(share):
    """The coordinate as an image: at every resolution each sample holds its own place; smoothing bends the rim."""
    grid = cube_grid((SIZE,) * 3).movedim(-1, 0)[None]
    small = resized(grid, share)
    expected = cube_grid((round(SIZE * share),) * 3).movedim(-1, 0)[None]
    inner = (slice(None), slice(None), *(slice(2, -2),) * 3)
    torch.testing.assert_close(small[inner], expected[inner], atol=1e-5, rtol=0)


def test_cells_have_their_centre_in_the_middle_of_their_voxels():
    """Eight voxels in cells of four: centres at voxels 1.5 and 5.5 of 0 to 7, the last axis running first."""
    low, high = 1.5 / 7 * 2 - 1, 5.5 / 7 * 2 - 1
    expected = [(z, y, x) for z in (low, high) for y in (low, high) for x in (low, high)]
    torch.testing.assert_close(cell_centres(8, 4)[0], torch.tensor(expected))


def test_reading_at_the_centres_of_cells_gives_the_cells():
    values = torch.randn(1, 3, 12, 12, 12, generator=torch.Generator().manual_seed(1))
    found = Match(values, values, values[:, :1], values[:, :1], 4, SIZE)
    read = found.at(values, cell_centres(SIZE, 4))
    torch.testing.assert_close(read[0].T.reshape(values.shape[1:]), values[0], atol=1e-5, rtol=0)


def test_resampled_fills_the_cube_from_corner_to_corner():
    """The coordinate itself, held by the cells: the same between the outermost centres, their value beyond them."""
    centres = cell_centres(SIZE, 4)
    values = centres[0].T.reshape(1, 3, 12, 12, 12)
    found = Match(values, values, values[:, :1], values[:, :1], 4, SIZE)
    expected = cube_grid((9, 9, 9)).clamp(float(centres.min()), float(centres.max()))
    torch.testing.assert_close(found.resampled(values, 9)[0].movedim(0, -1), expected, atol=1e-5, rtol=0)


def test_neighbours_without_lung_have_no_say():
    """A row of lung cells with value 2 in a block of -5: only a thousandth for each cell of the block comes through."""
    field, share = torch.full((1, 3, 7, 7, 7), -5.0), torch.zeros(1, 1, 7, 7, 7)
    field[..., 3, :], share[..., 3, :] = 2.0, 0.5
    mean = neighbours_mean(share)(field)
    near = (slice(None), slice(None), slice(None), slice(2, 5))
    torch.testing.assert_close(mean[near], torch.full_like(mean[near], 2.0), atol=7 * 2 / 501 + 1e-4, rtol=0)
    torch.testing.assert_close(mean[..., 0, :], torch.full_like(mean[..., 0, :], -5.0))


def test_only_a_cell_and_its_26_neighbours_count():
    """One lung cell among empty ones decides for the block of 27 cells around it, and for no cell beyond."""
    field, share = torch.zeros(1, 3, 9, 9, 9), torch.zeros(1, 1, 9, 9, 9)
    field[..., 4, 4, 4], share[..., 4, 4, 4] = 1.0, 1.0
    expected = torch.zeros(1, 3, 9, 9, 9)
    expected[..., 3:6, 3:6, 3:6] = 1.001 / 1.027
    torch.testing.assert_close(neighbours_mean(share)(field), expected)
