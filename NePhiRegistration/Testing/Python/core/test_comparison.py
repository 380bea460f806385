"""Where points are drawn and what is read there, counted by hand on small cubes."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from NePhiCore.comparison import SIMILARITY_TABLE, ComparedImage
from NePhiCore.errors import SettingsError
from NePhiCore.features import Neighbourhood
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid
from NePhiCore.settings import SIMILARITIES

SHAPE = (18, 20, 22)
WIDTHS = (Neighbourhood(1.5, 0.02), Neighbourhood(3.0, 0.02))
every_similarity = pytest.mark.parametrize("similarity", SIMILARITY_TABLE.values(), ids=list(SIMILARITY_TABLE))


def texture(seed=0, shape=SHAPE) -> torch.Tensor:
    """(1, 1, D, H, W) in [0, 1], structures of a few voxels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.2)
    return torch.tensor((noise - noise.min()) / np.ptp(noise), dtype=torch.float32)[None, None]


def box_of_lung(shape=SHAPE) -> np.ndarray:
    """(D, H, W) bool, four voxels away from every border."""
    lungs = np.zeros(shape, bool)
    lungs[4:-4, 4:-4, 4:-4] = True
    return lungs


def cube(image=None, lungs=None) -> CubeImage:
    image = texture() if image is None else image
    lungs = box_of_lung(tuple(image.shape[2:])) if lungs is None else lungs
    return CubeImage(image, torch.tensor(lungs, dtype=torch.float32)[None, None], np.eye(4))


def compared(image=None, similarity="local_ncc") -> ComparedImage:
    return ComparedImage.of(image or cube(), SIMILARITY_TABLE[similarity], WIDTHS)


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def voxels_of(points_norm: torch.Tensor, shape=SHAPE) -> np.ndarray:
    """(N, 3) the voxel (k, j, i) that each point of the cube lies in."""
    position = (points_norm[0].double().numpy() + 1) / 2 * (np.array(shape) - 1)
    return np.rint(position).astype(int)


def everywhere(shape=SHAPE) -> torch.Tensor:
    return cube_grid(shape).reshape(1, -1, 3)


def test_every_similarity_that_can_be_chosen_has_its_row():
    assert set(SIMILARITY_TABLE) == set(SIMILARITIES)


def test_points_are_drawn_from_the_lungs_and_one_voxel_around_their_faces():
    """Beyond a flat face 0.30 of a Gaussian of one voxel lies inside; beyond an edge only 0.30^2, less than a tenth."""
    faces = ndimage.generate_binary_structure(3, 1)
    expected = ndimage.binary_dilation(box_of_lung(), faces)
    candidates = voxels_of(compared().candidates_norm[None])
    np.testing.assert_array_equal(candidates, np.argwhere(expected))


def test_points_fill_the_voxels_they_are_drawn_from_and_no_others():
    image = compared()
    points = image.draw(40_000, generator())
    assert points.shape == (1, 40_000, 3)
    counts = np.zeros(SHAPE)
    np.add.at(counts, tuple(voxels_of(points).T), 1)
    candidates = np.zeros(SHAPE, bool)
    candidates[tuple(voxels_of(image.candidates_norm[None]).T)] = True
    assert counts[~candidates].sum() == 0
    per_voxel = 40_000 / candidates.sum()
    assert counts[candidates].std() == pytest.approx(per_voxel**0.5, rel=0.1), "as many a voxel as chance says"
    within = (points[0].numpy() + 1) / 2 * (np.array(SHAPE) - 1) - voxels_of(points)
    np.testing.assert_allclose(within.std(0), 1 / 12**0.5, rtol=0.02)
    np.testing.assert_allclose(within.mean(0), 0, atol=0.01)


def test_half_of_the_points_for_regularity_lie_anywhere_in_the_cube():
    image = compared(cube(lungs=np.pad(np.ones((4, 4, 4), bool), [(7, 7), (8, 8), (9, 9)])))
    points = image.draw_for_regularity(2000, generator())
    assert points.shape == (1, 2000, 3)
    near_lungs = (points[0].abs() < 0.45).all(-1)
    assert near_lungs[:1000].all()
    assert near_lungs[1000:].float().mean() == pytest.approx(0.45**3, abs=0.04)
    assert points[0, 1000:].abs().amax() <= 1 and points[0, 1000:].abs().amax() > 0.99
    assert image.draw_for_regularity(1, generator()).shape == (1, 1, 3)
    assert image.draw_for_regularity(5, generator()).shape == (1, 5, 3)


def test_a_seed_draws_the_same_points_again_and_another_draws_others():
    image = compared()
    for draw in (image.draw, image.draw_for_regularity):
        assert torch.equal(draw(50, generator(3)), draw(50, generator(3)))
        assert not torch.equal(draw(50, generator(3)), draw(50, generator(4)))


def test_an_image_without_lung_has_nowhere_to_draw_from():
    image = compared(cube(lungs=np.zeros(SHAPE, bool)))
    with pytest.raises(SettingsError, match="no lung voxel"):
        image.draw(10, generator())


@every_similarity
def test_reading_at_the_centre_of_a_voxel_gives_its_features(similarity):
    image = ComparedImage.of(cube(), similarity, WIDTHS)
    values = image.read(everywhere())
    torch.testing.assert_close(values[0].T.reshape(image.features[0].shape), image.features[0], atol=1e-4, rtol=0)


@every_similarity
def test_an_image_is_most_alike_to_itself(similarity):
    """0 for itself, more for itself moved by a voxel, more again moved by three."""
    image = ComparedImage.of(cube(), similarity, WIDTHS)
    losses = []
    for voxels in (0, 1, 3):
        moved = ComparedImage.of(cube(torch.roll(texture(), voxels, 4)), similarity, WIDTHS)
        points = image.candidates_norm[None]
        losses.append(float(similarity.loss(image.read(points), moved.read(points))))
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert 1e-3 < losses[1] < losses[2]


@pytest.mark.parametrize(("name", "tolerance"), [("local_ncc", 0.02), ("ncc", 0.25), ("mind", 0.01)])
def test_a_denser_lung_is_still_the_same_lung(name, tolerance):
    """Breathing out makes the image brighter and its contrast lower; what compares structure hardly notices.

    Global NCC does: zero outside the lungs, it reads the step at their rim along with the texture.
    """
    similarity = SIMILARITY_TABLE[name]
    image = ComparedImage.of(cube(), similarity, WIDTHS)
    denser = ComparedImage.of(cube(0.7 * texture() + 0.2), similarity, WIDTHS)
    other = ComparedImage.of(cube(texture(seed=1)), similarity, WIDTHS)
    points = image.candidates_norm[None]
    same, different = (float(similarity.loss(image.read(points), i.read(points))) for i in (denser, other))
    assert same < tolerance and same < different / 2


def test_only_the_paper_s_ncc_takes_bright_for_dark():
    """Eq. 8 squares the correlation: inside the lungs an inverted image looks the same; to the others it does not."""
    inside = torch.tensor(np.argwhere(ndimage.binary_erosion(box_of_lung()))) / (torch.tensor(SHAPE) - 1) * 2 - 1
    losses = {}
    for name, similarity in SIMILARITY_TABLE.items():
        image = ComparedImage.of(cube(), similarity, WIDTHS)
        inverted = ComparedImage.of(cube(1 - texture()), similarity, WIDTHS)
        losses[name] = float(similarity.loss(image.read(inside[None].float()), inverted.read(inside[None].float())))
    assert losses["ncc"] == pytest.approx(0, abs=1e-4)
    assert losses["local_ncc"] > 0.5


def test_a_cell_is_that_of_the_image():
    np.testing.assert_allclose(compared().cell_norm, 2 / (np.array(SHAPE) - 1), rtol=1e-6)
