"""What the images are compared by, against plain loops over small arrays, and what it must take no notice of."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from NePhiCore.features import (
    NOISE_FLOOR,
    Neighbourhood,
    gaussian_blur,
    intensity,
    locally_normalised,
    self_similarity,
    soft_edged,
)
from NePhiCore.preprocessing import CubeImage

SHAPE = (6, 7, 8)
TWO = Neighbourhood(1.0), Neighbourhood(2.0, 0.3)


def cube(image: np.ndarray, lungs: np.ndarray | None = None) -> CubeImage:
    lungs = np.ones(image.shape) if lungs is None else lungs
    as_tensor = (torch.from_numpy(np.asarray(array, np.float64))[None, None] for array in (image, lungs))
    return CubeImage(*as_tensor, np.eye(4))


def noise(seed: int = 0, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def partial_lungs(shape=SHAPE) -> np.ndarray:
    """Share of lung: a block of lung, one layer of half lung around it, chest wall beyond."""
    lungs = np.zeros(shape)
    lungs[1:-1, 1:-2, 1:-1] = 0.5
    lungs[2:-2, 2:-3, 2:-2] = 1.0
    return lungs


def blurred(array: np.ndarray, sigma: float) -> np.ndarray:
    """SciPy's Gaussian, cut at three deviations, zero beyond the border."""
    return gaussian_filter(array, sigma, mode="constant", truncate=3.0)


def gaussian_weights(at: tuple[int, ...], sigma: float, shape=SHAPE) -> np.ndarray:
    """Weight of every voxel in the neighbourhood of one: a Gaussian cut at three deviations whose sum is 1."""
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    distance = [np.arange(n) - centre for n, centre in zip(shape, at)]
    z, y, x = (np.where(abs(d) <= radius, kernel[np.clip(d + radius, 0, 2 * radius)], 0) for d in distance)
    return z[:, None, None] * y[:, None] * x


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.5, 4.0])
def test_the_blur_is_a_gaussian_with_zero_beyond_the_border(sigma):
    image = noise()
    got = gaussian_blur(torch.from_numpy(np.stack([image, 2 * image])[:, None]), sigma)
    np.testing.assert_allclose(got[0, 0], blurred(image, sigma), atol=1e-12)
    np.testing.assert_allclose(got[1, 0], 2 * got[0, 0], atol=1e-12)


def test_a_blur_of_no_width_changes_nothing():
    image = torch.from_numpy(noise())[None, None]
    assert torch.equal(gaussian_blur(image, 0.0), image)


def test_intensity_is_that_of_the_lungs_alone():
    image, lungs = noise(), partial_lungs()
    np.testing.assert_array_equal(intensity(cube(image, lungs))[0, 0], image * lungs)


def locally_normalised_by_hand(
    image: np.ndarray, lungs: np.ndarray, sigma: float, noise_floor: float = NOISE_FLOOR
) -> np.ndarray:
    """A voxel at a time: mean and deviation of the lung in its neighbourhood."""
    expected = np.zeros(image.shape)
    for at in zip(*np.nonzero(lungs)):
        weight = gaussian_weights(at, sigma) * lungs
        mean = np.sum(weight * image) / weight.sum()
        deviation = np.sqrt(np.sum(weight * (image - mean) ** 2) / weight.sum())
        expected[at] = lungs[at] * (image[at] - mean) / (deviation + noise_floor)
    return expected


def test_local_normalisation_is_that_of_the_definition():
    image, lungs = noise(), partial_lungs()
    features = locally_normalised(cube(image, lungs), TWO)
    assert features.shape == (1, 3, *SHAPE)
    for channel, neighbourhood in enumerate(TWO):
        expected = locally_normalised_by_hand(image, lungs, *neighbourhood)
        assert expected.std() > 0.05
        np.testing.assert_allclose(features[0, channel], expected, atol=1e-9)
    np.testing.assert_allclose(features[0, 2], blurred(lungs, 1.0), atol=1e-12)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.5, 0.0), (3.0, 0.2), (1.0, -0.7)])
def test_local_normalisation_takes_no_notice_of_contrast_and_brightness(contrast, brightness):
    """Away from the noise floor: on an image of a hundred times the window its share is below a hundredth."""
    image, lungs = 100 * noise(), partial_lungs()
    low = Neighbourhood(1.0), Neighbourhood(2.0)
    before = locally_normalised(cube(image, lungs), low)
    after = locally_normalised(cube(contrast * image + 100 * brightness, lungs), low)
    assert before[:, :2].abs().max() > 1
    torch.testing.assert_close(after, before, rtol=0, atol=0.01)


def test_local_normalisation_takes_no_notice_of_a_slow_change_of_brightness():
    """A lung that is denser at its back looks the same; the image alone would not."""
    shape = (16, 16, 16)
    image = noise(shape=shape)
    slope = np.linspace(0, 2.0, 16)[None, :, None]
    middle = (0, 0, *[slice(5, 11)] * 3)
    before, after = (locally_normalised(cube(i), [Neighbourhood(1.5)])[middle] for i in (image, image + slope))
    assert np.corrcoef(image[middle[2:]].ravel(), (image + slope)[middle[2:]].ravel())[0, 1] < 0.9
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95


def test_structure_below_the_noise_floor_stays_small():
    faint = 0.5 + 0.01 * NOISE_FLOOR * noise()
    assert locally_normalised(cube(faint), [Neighbourhood(1.0)])[0, 0].abs().max() < 0.01
    assert locally_normalised(cube(np.full(SHAPE, 0.5)), [Neighbourhood(1.0)])[0, 0].abs().max() < 1e-6


@pytest.mark.parametrize(
    "features",
    [intensity, lambda c: locally_normalised(c, TWO), self_similarity],
    ids=["intensity", "locally normalised", "self-similarity"],
)
def test_the_chest_wall_is_kept_out(features):
    """Whatever lies where there is no lung, the features are the same everywhere."""
    lungs = partial_lungs()
    wall = np.where(lungs == 0, 1000 * noise(1), 0)
    torch.testing.assert_close(features(cube(noise() + wall, lungs)), features(cube(noise(), lungs)), rtol=0, atol=0)


def test_an_even_lung_beside_a_bright_wall_has_no_edge():
    lungs = partial_lungs()
    image = np.where(lungs > 0, 0.2, 1.0)
    assert locally_normalised(cube(image, lungs), TWO)[0, :2].abs().max() < 1e-6


def test_an_image_in_float32_is_normalised_as_well():
    image, lungs = noise(), partial_lungs()
    exact = locally_normalised(cube(image, lungs), [Neighbourhood(2.0)])
    single = cube(image, lungs)
    single = CubeImage(single.image.float(), single.lungs.float(), single.norm_to_ras)
    torch.testing.assert_close(locally_normalised(single, [Neighbourhood(2.0)]).double(), exact, rtol=0, atol=1e-4)


# The six neighbours, two voxels away along z, y and x, and the twelve pairs of them at right angles.
NEIGHBOURS = [(-2, 0, 0), (2, 0, 0), (0, -2, 0), (0, 2, 0), (0, 0, -2), (0, 0, 2)]
PAIRS = [(a, b) for a, b in product(range(6), repeat=2) if a < b and np.dot(NEIGHBOURS[a], NEIGHBOURS[b]) == 0]


def self_similarity_by_hand(image: np.ndarray) -> np.ndarray:
    """(12, D, H, W): squared differences of pairs of neighbours, averaged around each voxel, against their mean."""
    patches = np.empty((12, *image.shape))
    for n, (a, b) in enumerate(PAIRS):
        for at in np.ndindex(image.shape):
            first, second = (
                image[tuple(np.clip(np.add(at, NEIGHBOURS[m]), 0, np.array(image.shape) - 1))] for m in (a, b)
            )
            patches[n][at] = (first - second) ** 2
        patches[n] = blurred(patches[n], 1.0)
    patches -= patches.min(0)
    return np.exp(-patches / patches.mean(0))


def test_self_similarity_is_that_of_the_definition():
    image, lungs = noise(), partial_lungs()
    features = self_similarity(cube(image, lungs))
    assert len(PAIRS) == 12 and features.shape == (1, 12, *SHAPE)
    assert features.min() >= 0 and features.max() <= 1
    near_lungs = blurred(lungs, 1.0) > 0.05  # elsewhere every difference is zero, and the mean with them
    expected = self_similarity_by_hand(image * lungs)
    np.testing.assert_allclose(features[0].numpy()[:, near_lungs], expected[:, near_lungs], atol=1e-6)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.5, 0.0), (3.0, 0.2), (-1.0, 1.0)])
def test_self_similarity_takes_no_notice_of_contrast_brightness_and_even_of_black_and_white(contrast, brightness):
    before, after = (self_similarity(cube(image)) for image in (noise(), contrast * noise() + brightness))
    assert before.std() > 0.1
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4)


def test_the_most_alike_pair_of_each_voxel_reads_one():
    torch.testing.assert_close(self_similarity(cube(noise())).amax(1), torch.ones(1, *SHAPE, dtype=torch.float64))


def test_a_constant_image_is_alike_everywhere_and_gives_no_nan():
    features = self_similarity(cube(np.full(SHAPE, 0.3)))
    assert torch.equal(features, torch.ones_like(features))


def beside_the_wall(drawn_at: int, edge: float = 5.3) -> CubeImage:
    """Lung (0.2) up to a place between two voxels, soft tissue (1) beyond, and a mask drawn at a whole voxel."""
    tissue = np.clip(np.arange(12) + 0.5 - edge, 0, 1)
    image = np.broadcast_to(0.2 + 0.8 * tissue, (12, 12, 12)).copy()
    lungs = np.broadcast_to(np.arange(12) < drawn_at, (12, 12, 12)).astype(float)
    return cube(image, lungs)


def test_the_soft_edge_lies_where_the_densities_put_it():
    """Voxel 5 reaches from 4.5 to 5.5, the edge is at 5.3: four fifths are lung, whichever voxel the mask ends at."""
    for drawn_at in (5, 6):
        row = soft_edged(beside_the_wall(drawn_at)).lungs[0, 0, 6, 6]
        np.testing.assert_allclose(row[:8], [1, 1, 1, 1, 1, 0.8, 0, 0], atol=1e-6)


def test_masks_drawn_a_voxel_apart_leave_the_same_features():
    rough, fine = noise(2, (12, 12, 12)), [beside_the_wall(n) for n in (5, 6)]
    cubes = [cube(np.where(c.image[0, 0] < 0.3, 0.2 + 0.1 * rough, c.image[0, 0]), c.lungs[0, 0].numpy()) for c in fine]
    binary, soft = (
        (before - after).abs().max()
        for before, after in (
            [locally_normalised(c, [Neighbourhood(1.5)])[0, 0] for c in cubes],
            [locally_normalised(soft_edged(c), [Neighbourhood(1.5)])[0, 0] for c in cubes],
        )
    )
    assert binary > 0.5
    assert soft < 0.05


def test_vessels_inside_the_lungs_keep_their_full_share():
    image = np.full((9, 9, 9), 0.2)
    image[4, 4, :] = 1.0
    soft = soft_edged(cube(image, np.pad(np.ones((7, 7, 7)), 1))).lungs[0, 0]
    assert (soft[2:-2, 2:-2, 2:-2] == 1).all()
    assert (soft[0] == (1 - image[0]) / 0.8).all()


def test_lungs_too_thin_to_have_an_inside_are_left_as_they_are():
    thin = np.zeros(SHAPE)
    thin[3] = 1.0
    before = cube(noise(), thin)
    assert torch.equal(soft_edged(before).lungs, before.lungs)
