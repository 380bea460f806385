"""From two images to the latent code."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .features import Neighbourhood, locally_normalised
from .latent_code import LatentCode
from .matching import Level, Match, resized, search
from .preprocessing import CubeImage
from .sampling import cube_grid, read_image
from .side_by_side import side_by_side

Tensor = torch.Tensor

SEARCH_SIZE = 144  # voxels a side of the cube that is searched
FEATURE_WIDTHS = (2.0, 4.0)  # voxels
MASK_WEIGHT = 2.0
_SCALE = 5.0  # displacements of a fifth of a cube unit, 25 mm, become 1
HEAD_INPUTS = 16  # two directions of: coupled (3), best (3), cost, share of lung


class Encoder(nn.Module):
    """Convolutional encoder: matches the images both ways, then turns the matches into the code.

    NePhi's encoder (arXiv 2309.07322v1, app. A.2) convolves the concatenated images.
    Here a correlation layer without weights comes first, as in optical flow networks
    (Dosovitskiy et al. 2015), and a small U-Net turns its noisy displacements into the
    latent code. What is learned is how lungs move, not what they look like, and that
    takes few images.

    Args:
        width: channels of the U-Net at the resolution of the local code.
        global_channels, local_channels, local_size: the latent code; with a local size of
            4 n + 1 the samples of every level of the U-Net coincide.
    """

    def __init__(self, width: int, global_channels: int, local_channels: int, local_size: int) -> None:
        super().__init__()
        self.matches_size = 2 * local_size - 1
        self.enter = _block(HEAD_INPUTS, width, 2)
        self.down = nn.ModuleList([_block(width, 2 * width, 2), _block(2 * width, 2 * width, 2)])
        self.up = nn.ModuleList([_block(2 * width, 2 * width), _block(width, width)])
        self.narrow = nn.Conv3d(2 * width, width, 1)
        self.local_head = nn.Conv3d(width, local_channels, 3, padding=1)
        self.global_head = nn.Linear(2 * width, global_channels)

    def forward(self, fixed: CubeImage, moving: CubeImage, known: Tensor | None = None) -> LatentCode:
        """Two images over their cubes, both SEARCH_SIZE^3 -> latent code.

        `known` is a displacement (1, 3, n, n, n) over the fixed cube to search around, cube units.
        """
        return self.code_from_matches(self.matches(fixed, moving, known))

    @torch.no_grad()
    def matches(self, fixed: CubeImage, moving: CubeImage, known: Tensor | None = None) -> Tensor:
        """What the U-Net sees, (1, HEAD_INPUTS, n, n, n) with n = matches_size."""
        there = back = None
        if known is not None:
            there = known.to(fixed.image.device)
            back = inverse_displacement(there)
        levels = side_by_side(search_levels, (fixed,), (moving,))
        matches = side_by_side(search, (*levels, there), (*reversed(levels), back))
        return torch.cat([match_channels(match, self.matches_size) for match in matches], 1)

    def code_from_matches(self, matches: Tensor) -> LatentCode:
        """(B, HEAD_INPUTS, n, n, n) -> latent code."""
        top = self.enter(matches)
        middle = self.down[0](top)
        bottom = self.down[1](middle)
        middle = self.up[0](middle + _resize(bottom, middle))
        top = self.up[1](top + _resize(self.narrow(middle), top))
        return LatentCode(self.global_head(bottom.mean((2, 3, 4))), self.local_head(top))


def match_channels(found: Match, size: int) -> Tensor:
    """(1, HEAD_INPUTS / 2, n, n, n): one direction's matches, scaled to about one."""
    channels = torch.cat([found.coupled * _SCALE, found.best * _SCALE, found.cost, found.lungs], 1)
    return found.resampled(channels, size)


def matched_displacements(matches: Tensor) -> tuple[Tensor, Tensor]:
    """What the search itself found, over the fixed and over the moving cube: (1, 3, n, n, n) each, cube units."""
    back = HEAD_INPUTS // 2
    return matches[:, :3] / _SCALE, matches[:, back : back + 3] / _SCALE


def inverse_displacement(displacement: Tensor, steps: int = 20) -> Tensor:
    """(1, 3, n, n, n) over one cube -> the displacement over the other that undoes it, by fixed-point iteration."""
    lattice = cube_grid(tuple(displacement.shape[2:]), displacement.device).reshape(1, -1, 3)
    source = lattice
    for _ in range(steps):
        source = lattice - read_image(displacement, source)
    return (source - lattice).transpose(1, 2).reshape(displacement.shape)


def search_levels(cube: CubeImage) -> dict[float, Level]:
    """An image as the search compares it, at each of its resolutions.

    At three quarters and half, what is compared is the structure seen there; at a quarter, too coarse to have
    any of its own, the structure of half is seen blurred.
    """
    levels = {share: _level(cube, share) for share in (1.0, 0.75, 0.5)}
    half = levels[0.5]
    levels[0.25] = Level(resized(half.features, 0.5), resized(half.lungs, 0.5))
    return levels


def _level(cube: CubeImage, share: float) -> Level:
    here = CubeImage(resized(cube.image, share), resized(cube.lungs, share), cube.norm_to_ras)
    features = locally_normalised(here, [Neighbourhood(width) for width in FEATURE_WIDTHS])
    features[:, -1:] *= MASK_WEIGHT
    return Level(features, here.lungs)


def _resize(coarse: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(coarse, size=like.shape[2:], mode="trilinear", align_corners=True)


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1),
        nn.GroupNorm(8, outputs),
        nn.LeakyReLU(0.2, inplace=True),
    )
