"""Which of two images is the sharper one, and by how much, on textures that were smoothed by a known amount."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from NePhiCore.comparison import SIMILARITY_TABLE, SMOOTHING, ComparedImage
from NePhiCore.features import Neighbourhood, locally_normalised, soft_edged
from NePhiCore.preprocessing import CubeImage
from NePhiCore.scales import SCALES, scaled_pairs
from NePhiCore.settings import SIMILARITIES
from NePhiCore.sharpness import SHARES, VARIANCE, smoothing_to_match

SIDE = 48
LARGEST = (2 * VARIANCE * max(SHARES)) ** 0.5


def scan(smoothed: float = 0.0, noise: float = 0.0, seed: int = 0) -> CubeImage:
    """A texture as a scan of that sharpness shows it, with noise of its own; lung everywhere but at the border."""
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(SIDE,) * 3), 0.7)
    seen = ndimage.gaussian_filter(texture, smoothed) if smoothed else texture
    seen = 0.3 + 0.4 * seen + noise * np.random.default_rng(seed + 1).normal(size=seen.shape)
    lungs = np.zeros(seen.shape)
    lungs[4:-4, 4:-4, 4:-4] = 1
    image, lungs = (torch.tensor(array, dtype=torch.float32)[None, None] for array in (seen.clip(0, 1), lungs))
    return CubeImage(image, lungs, np.eye(4))


def found(fixed: CubeImage, moving: CubeImage, off_by_voxels: float = 0.0) -> tuple[float, float]:
    off = torch.tensor([off_by_voxels, 0.0, 0.0]) * fixed.cell_norm
    return smoothing_to_match(fixed, moving, lambda points: points + off, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.6, 0.9, 1.2])
def test_the_sharper_image_is_smoothed_by_what_the_other_lost(sigma):
    fixed, moving = found(scan(smoothed=sigma), scan())
    assert fixed == 0
    assert moving == pytest.approx(sigma, abs=0.2)
    assert found(scan(), scan(smoothed=sigma)) == (pytest.approx(moving, abs=0.05), 0)


def test_two_images_of_one_sharpness_are_left_alone():
    assert max(found(scan(0.5, 0.01, 0), scan(0.5, 0.01, 1))) < 0.25


def test_noise_is_not_taken_for_sharpness():
    """Of all variance in the smoother image a third is noise, voxel by voxel."""
    noise = 0.7 * float(scan(smoothed=0.9).image.std())
    assert found(scan(0.9, noise, 0), scan(0.0, 0.0, 1)) == (0, pytest.approx(0.9, abs=0.2))


@pytest.mark.parametrize("off_by_voxels", [-0.7, 0.7])
def test_a_map_that_is_a_little_off_changes_little(off_by_voxels):
    aligned, off = (found(scan(smoothed=0.9), scan(), voxels)[1] for voxels in (0.0, off_by_voxels))
    assert off == pytest.approx(aligned, abs=0.15)


def test_images_that_share_nothing_are_left_alone():
    image = scan().image
    other = CubeImage(image.flip(2), scan().lungs, np.eye(4))
    flat = CubeImage(torch.full_like(image, 0.3), scan().lungs, np.eye(4))
    assert found(scan(), other) == (0, 0) == found(scan(), flat)


def test_a_difference_out_of_reach_is_met_as_far_as_it_goes():
    assert found(scan(smoothed=3.0), scan()) == (0, pytest.approx(LARGEST, abs=0.15))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_what_is_compared_was_smoothed_by_that_many_millimetres(similarity):
    cubes = scan(smoothed=0.9), scan()
    pairs = scaled_pairs(lambda spacing_mm: cubes, similarity, smoothing_mm=(0.0, 1.8))
    for scale, pair in zip(SCALES, pairs):
        kind = SIMILARITY_TABLE[similarity], scale.neighbourhoods
        plain, smoothed = (ComparedImage.of(cubes[1], *kind, sigma) for sigma in (0.0, 1.8 / scale.spacing_mm))
        torch.testing.assert_close(pair.fixed.features, ComparedImage.of(cubes[0], *kind).features, rtol=0, atol=0)
        torch.testing.assert_close(pair.moving.features, smoothed.features, rtol=0, atol=0)
        assert not torch.equal(smoothed.features, plain.features)


def test_it_comes_on_top_of_what_every_image_gets():
    """Two Gaussians after one another are one of the sum of their variances."""
    image, around = scan(), (Neighbourhood(0.8), Neighbourhood(1.6, 0.2))
    expected = locally_normalised(soft_edged(image), around, math.hypot(SMOOTHING, 0.9))[:, :-1]
    found_features = SIMILARITY_TABLE["local_ncc"].features(image, around, 0.9)
    torch.testing.assert_close(found_features, expected, rtol=0, atol=0)
