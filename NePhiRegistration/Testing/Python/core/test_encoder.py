"""The encoder: what it sees of two images, and that all of it learns."""

import pytest
import torch
from torch.nn import functional as F

from NePhiCore.encoder import (
    HEAD_INPUTS,
    SEARCH_SIZE,
    Encoder,
    inverse_displacement,
    match_channels,
    matched_displacements,
)
from NePhiCore.features import gaussian_blur
from NePhiCore.latent_code import LatentCode
from NePhiCore.matching import Match, cell_centres
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid, read_image

GLOBAL, LOCAL, LOCAL_SIZE = 6, 5, 5
MATCHES_SIZE = 2 * LOCAL_SIZE - 1
SMALL = 40  # the search takes any multiple of 8; eight times as quick as at its own size
SHIFT = (4, -3, 2)


def an_encoder(seed=0) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(8, GLOBAL, LOCAL, LOCAL_SIZE)


def a_cube(size: int, shift=(0, 0, 0)) -> CubeImage:
    """Random texture in an ellipsoid of lung, all of it moved on by (z, y, x) voxels."""
    noise = torch.randn(1, 1, size, size, size, generator=torch.Generator().manual_seed(0))
    image = (0.3 + gaussian_blur(noise, 1.0)).clamp(0, 1)
    lungs = (cube_grid((size,) * 3).square().sum(-1) < 0.55**2).float()[None, None]
    return CubeImage(*(torch.roll(part, shift, (2, 3, 4)) for part in (image, lungs)), torch.eye(4).numpy())


def random_matches(batch=1, seed=1) -> torch.Tensor:
    shape = (batch, HEAD_INPUTS, *(MATCHES_SIZE,) * 3)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def smooth_displacement(size: int) -> torch.Tensor:
    """(1, 3, n, n, n) up to 0.2 cube units, nothing at the surface of the cube; slopes below one."""
    z, y, x = cube_grid((size,) * 3).unbind(-1)
    fade = (1 - z**2) * (1 - y**2) * (1 - x**2)
    return torch.stack([0.2 * fade, -0.15 * fade * y, 0.1 * fade * (z + x)])[None]


@pytest.fixture(scope="module")
def a_shifted_pair() -> tuple[CubeImage, CubeImage]:
    return a_cube(SEARCH_SIZE), a_cube(SEARCH_SIZE, SHIFT)


@pytest.fixture(scope="module")
def seen(a_shifted_pair) -> torch.Tensor:
    """What the U-Net sees of the pair; the search at its own size is slow, so once for all tests."""
    return an_encoder().matches(*a_shifted_pair)


def test_the_matches_of_both_directions_fill_one_grid(seen):
    assert seen.shape == (1, HEAD_INPUTS, MATCHES_SIZE, MATCHES_SIZE, MATCHES_SIZE)
    assert seen.dtype == torch.float32 and torch.isfinite(seen).all() and not seen.requires_grad


def test_a_shift_is_seen_forth_and_back(seen):
    """Channels of a direction: coupled and best displacement, five times the cube units; cost; share of lung."""
    truth = torch.tensor(SHIFT) * 2 / (SEARCH_SIZE - 1)
    for half, sign in ((seen[0, :8], 1), (seen[0, 8:], -1)):
        deep = half[7] > 0.99
        assert deep.sum() > 10
        for displacement in (half[0:3], half[3:6]):
            error = displacement[:, deep] / 5 - sign * truth[:, None]
            assert error.abs().mean() < 0.3 * 2 / SEARCH_SIZE, "a third of a voxel"


def test_what_the_search_found_is_told_in_cube_units_forth_and_back(seen):
    truth = torch.tensor(SHIFT) * 2 / (SEARCH_SIZE - 1)
    for displacement, lungs, sign in zip(matched_displacements(seen), (seen[0, 7], seen[0, 15]), (1, -1)):
        assert displacement.shape == (1, 3, MATCHES_SIZE, MATCHES_SIZE, MATCHES_SIZE)
        error = displacement[0][:, lungs > 0.99] - sign * truth[:, None]
        assert error.abs().mean() < 0.3 * 2 / SEARCH_SIZE


def test_the_lungs_of_each_image_are_seen_in_its_own_half(seen, a_shifted_pair):
    for lungs, image in zip((seen[:, 7:8], seen[:, 15:16]), a_shifted_pair):
        cells = F.avg_pool3d(image.lungs, 2)
        expected = F.interpolate(cells, size=(MATCHES_SIZE,) * 3, mode="trilinear", align_corners=True)
        assert (lungs - expected).abs().mean() < 0.01
    assert (seen[:, 7] - seen[:, 15]).abs().max() > 0.1


def test_exchanging_the_images_exchanges_the_halves():
    encoder, fixed, moving = an_encoder(), a_cube(SMALL), a_cube(SMALL, (2, 1, -1))
    forth, back = encoder.matches(fixed, moving), encoder.matches(moving, fixed)
    assert torch.equal(forth, back.roll(8, 1))


def test_matches_do_not_depend_on_the_weights_and_come_again_bit_for_bit():
    fixed, moving = a_cube(SMALL), a_cube(SMALL, (2, 1, -1))
    first, second = (an_encoder(seed).matches(fixed, moving) for seed in (0, 1))
    assert torch.equal(first, second)


def test_a_known_displacement_is_searched_around_in_both_directions():
    """Texture that repeats each 16 voxels fits where it is and 16 voxels on: what is known decides, to half a voxel."""
    period, step = 16, 2 / (SMALL - 1)
    image = a_cube(SMALL).image[:, :, :, :period].repeat(1, 1, 1, 3, 1)[:, :, :, :SMALL]
    image = F.interpolate(image, scale_factor=2.0, mode="trilinear", align_corners=True)  # coarse enough for all stages
    cube = CubeImage(image, torch.ones_like(image), torch.eye(4).numpy())
    known = torch.zeros(1, 3, 4, 4, 4)
    known[:, 1] = period * step
    told, untold = (an_encoder().matches(cube, cube, start) for start in (known, None))
    # Cells that have their partner inside the cube: those low in the fixed image, those high in the moving one.
    for first, sign, rows in ((0, 1, slice(1, 4)), (8, -1, slice(5, 8))):
        for seen, along_y in ((told, sign * period * step), (untold, 0.0)):
            found = seen[0, first : first + 3, 1:-1, rows, 1:-1].flatten(1) / 5
            truth = torch.tensor([0.0, along_y, 0.0])[:, None]
            assert (found - truth).norm(dim=0).mean() < 0.5 * step


def test_the_channels_of_a_match_are_its_fields_about_one_in_size():
    cells = cell_centres(16, 4)[0].T.reshape(1, 3, 4, 4, 4)
    found = Match(0.1 * cells, 0.2 * cells, cells[:, :1], cells[:, 1:2], 4, 16)
    channels = match_channels(found, 9)
    expected = found.resampled(cells, 9)
    assert channels.shape == (1, HEAD_INPUTS // 2, 9, 9, 9)
    torch.testing.assert_close(channels[:, :3], 0.5 * expected)
    torch.testing.assert_close(channels[:, 3:6], expected)
    torch.testing.assert_close(channels[:, 6:8], expected[:, :2])


@pytest.mark.parametrize("batch", [1, 3])
def test_the_code_has_the_channels_and_the_size_asked_for(batch):
    code = an_encoder().code_from_matches(random_matches(batch))
    assert isinstance(code, LatentCode)
    assert code.global_code.shape == (batch, GLOBAL)
    assert code.local_code.shape == (batch, LOCAL, LOCAL_SIZE, LOCAL_SIZE, LOCAL_SIZE)


def test_each_pair_of_a_batch_has_a_code_of_its_own():
    encoder, matches = an_encoder(), random_matches(3)
    together = encoder.code_from_matches(matches)
    for row in range(3):
        alone = encoder.code_from_matches(matches[row : row + 1])
        torch.testing.assert_close(together.local_code[row], alone.local_code[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.global_code[row], alone.global_code[0], atol=1e-5, rtol=1e-4)
    assert (together.global_code[0] - together.global_code[1]).abs().max() > 1e-4


def test_every_weight_has_a_say_in_the_code():
    encoder = an_encoder()
    code = encoder.code_from_matches(random_matches())
    (code.global_code.square().sum() + code.local_code.square().sum()).backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


def test_both_codes_look_at_every_channel_of_the_matches():
    matches = random_matches().requires_grad_(True)
    code = an_encoder().code_from_matches(matches)
    for part in code.tensors():
        gradient = torch.autograd.grad(part.square().sum(), matches, retain_graph=True)[0]
        assert (gradient.abs().amax((0, 2, 3, 4)) > 0).all()


def test_the_local_code_is_local_and_the_global_one_is_not():
    """A change in one corner of the matches: the local code hardly changes in the opposite one."""
    encoder, matches = an_encoder(), random_matches()
    changed = matches.clone()
    changed[..., :2, :2, :2] += 1
    before, after = encoder.code_from_matches(matches), encoder.code_from_matches(changed)
    difference = (after.local_code - before.local_code)[0].abs().mean(0)
    assert difference[0, 0, 0] > 2 * difference[-1, -1, -1]
    assert (after.global_code - before.global_code).abs().max() > 1e-4


def test_forward_is_the_code_of_the_matches_bit_for_bit():
    encoder, fixed, moving = an_encoder(), a_cube(SMALL), a_cube(SMALL, (1, 2, 0))
    known = smooth_displacement(6)
    expected = encoder.code_from_matches(encoder.matches(fixed, moving, known))
    code = encoder(fixed, moving, known)
    assert all(torch.equal(a, b) for a, b in zip(code.tensors(), expected.tensors()))


def test_the_inverse_of_a_constant_is_its_negative():
    constant = torch.tensor([0.3, -0.2, 0.1]).reshape(1, 3, 1, 1, 1).expand(1, 3, 5, 5, 5)
    torch.testing.assert_close(inverse_displacement(constant), -constant)


def test_the_inverse_of_a_stretch_is_a_squeeze():
    """x + 0.25 x goes back by -0.2 x, where the whole cube is covered: inside, without the field's edge."""
    lattice = cube_grid((9, 9, 9)).movedim(-1, 0)[None]
    torch.testing.assert_close(inverse_displacement(0.25 * lattice), -0.2 * lattice, atol=1e-5, rtol=0)


def test_an_inverse_undoes_a_smooth_displacement():
    """Forth and back and back and forth, at points between the samples: to the precision of reading between them."""
    forth = smooth_displacement(25)
    back = inverse_displacement(forth)
    points = cube_grid((12, 12, 12)).reshape(1, -1, 3) * 0.97
    for first, then in ((forth, back), (back, forth)):
        middle = points + read_image(first, points)
        torch.testing.assert_close(middle + read_image(then, middle), points, atol=2e-3, rtol=0)
    assert forth.abs().max() > 0.19
    assert back.shape == forth.shape
