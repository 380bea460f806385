"""The soft tissue that the lungs enclose: what belongs to it, and that a registration follows it."""

import numpy as np
import pytest
import torch
from optimisation_cases import mean_displacements, settings, start, two_cubes

from NePhiCore.enclosed_tissue import FEWEST_VOXELS, around_spine, between, compared_tissue
from NePhiCore.optimisation import optimise
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid, read_image
from NePhiCore.scales import scaled_pairs

SIDE = 24


def two_lungs() -> torch.Tensor:
    """(1, 1, D, H, W): two slabs along H with a gap of ten voxels between them; none in the lowest slices."""
    lungs = torch.zeros(1, 1, SIDE, SIDE, SIDE)
    lungs[:, :, 4:, 3:21, 2:7] = 1
    lungs[:, :, 4:, 3:21, 17:22] = 1
    return lungs


def chest(image: torch.Tensor | None = None, column_mm: float = 2.0) -> CubeImage:
    if image is None:
        image = torch.rand(1, 1, SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4
    half_mm = column_mm * (SIDE - 1) / 2
    return CubeImage(image, two_lungs(), np.diag([half_mm] * 3 + [1.0]))


def test_between_the_lungs_is_what_has_one_on_either_side():
    inside = between(two_lungs() > 0)[0, 0]
    assert inside[10, 10, 2:22].all() and not inside[10, 10, :2].any() and not inside[10, 10, 22:].any()
    assert not inside[:4].any(), "below the lungs nothing is enclosed"
    assert not inside[:, :3].any(), "neither is what lies behind them"


def test_beside_a_single_lung_nothing_is_enclosed_but_its_own_hollows():
    lung = two_lungs()
    lung[..., 12:] = 0
    assert torch.equal(between(lung > 0), lung > 0)


def test_the_spine_lies_in_the_back_quarter_of_the_midline():
    spine = around_spine(two_lungs() > 0, column_mm=10.0)[0, 0]
    # Rows of lung from 3 to 20: their back quarter ends at 7.25. Within 25 mm of column 11.5 lie columns 10 to 13.
    expected = torch.zeros(SIDE, SIDE, SIDE, dtype=torch.bool)
    expected[4:, :8, 10:14] = True
    assert torch.equal(spine[4:], expected[4:])


def test_tissue_is_drawn_from_and_air_is_not():
    image = chest().image.clone()
    image[..., 10:14] = 0  # a trachea as wide as the gap's middle
    tissue = compared_tissue(chest(image))
    column = ((tissue.candidates_norm[:, 2] + 1) / 2 * (SIDE - 1)).round()
    assert not ((column >= 10) & (column < 14)).any() and ((column > 6) & (column < 10)).any()
    assert tissue.features.shape[1] == 2 and tissue.features[..., 11:13].abs().max() == 0


def test_too_little_tissue_is_none():
    image = torch.zeros(1, 1, SIDE, SIDE, SIDE)
    assert compared_tissue(chest(image)) is None
    image[0, 0, 10, 10, 5:19] = 0.5
    assert FEWEST_VOXELS > 14 and compared_tissue(chest(image)) is None


def test_an_image_without_tissue_is_left_out_of_the_pair():
    empty = chest(torch.zeros(1, 1, SIDE, SIDE, SIDE))
    pairs = scaled_pairs(lambda spacing_mm: two_cubes(), "local_ncc", lambda spacing_mm: (chest(), empty))
    assert all(pair.tissue is None for pair in pairs)


@pytest.mark.parametrize(("weight", "low", "high"), [(5.0, 0.05, 0.12), (0.0, -0.02, 0.02)])
def test_the_map_follows_the_tissue_where_it_has_a_weight(weight, low, high):
    """Lungs without texture; between them tissue that has moved by 0.09 cube units along H."""
    points = cube_grid((SIDE,) * 3)
    shift = torch.tensor([0.0, 0.09, 0.0])
    smooth = torch.nn.functional.avg_pool3d(chest().image, 3, 1, 1)
    moved = read_image(smooth, (points - shift).reshape(1, -1, 3)).reshape(smooth.shape)
    plain = chest(torch.full((1, 1, SIDE, SIDE, SIDE), 0.3))
    pairs = scaled_pairs(lambda _: (plain, plain), "local_ncc", lambda _: (chest(smooth, 6.0), chest(moved, 6.0)))
    chosen = settings(optimise="all", regularity="none", iterations=60, enclosed_tissue_weight=weight)
    maps = optimise(start(output=0.0), pairs, chosen).maps
    forth, back = mean_displacements(maps, pairs[-1].tissue)
    assert low < float(forth[1]) < high and low < -float(back[1]) < high
