"""What the images are compared by: channels computed once an image and read at points.

A similarity over points that are scattered through the lungs is global. Channels that
hold local structure make it local at the same price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch.nn import functional as F

from .axis_products import along_axes
from .preprocessing import CubeImage

Tensor = torch.Tensor

NOISE_FLOOR = 0.03  # of the HU window; below it a local deviation is noise, not structure


def intensity(cube: CubeImage, smoothing: float = 0.0) -> Tensor:
    """(1, 1, D, H, W) the image with everything outside the lungs set to zero, as the paper does."""
    return _smoothed(cube.image, cube.lungs, smoothing) * cube.lungs


class Neighbourhood(NamedTuple):
    """What a voxel is compared with to say how it stands out.

    Attributes:
        width: standard deviation of a Gaussian around it, voxels.
        noise_floor: share of the HU window; the higher, the more vessels count and texture does not.
    """

    width: float
    noise_floor: float = NOISE_FLOOR


def locally_normalised(cube: CubeImage, neighbourhoods: Sequence[Neighbourhood], smoothing: float = 0.0) -> Tensor:
    """(I - local mean) / (local deviation + noise floor) in the lungs, a channel for each neighbourhood; and the mask.

    Correlating these over scattered points approximates local normalised cross-correlation.
    Means are taken over lung only, so that the chest wall does not drown its neighbourhood.

    Args:
        smoothing: deviation of a Gaussian over the image beforehand, voxels. Reading an image between its voxels
            smooths its noise, reading at them does not; smooth images do not draw a map to either.

    Returns:
        (1, len(neighbourhoods) + 1, D, H, W); the last channel is the lung mask softened by the first width.
    """
    lungs = cube.lungs
    image = _smoothed(cube.image, lungs, smoothing)
    inside = lungs.flatten().nonzero()[:, 0]  # elsewhere the features are zero
    share, value = (part.flatten()[inside] for part in (lungs, image))
    in_lungs, square_in_lungs = image * lungs, image.square() * lungs
    features = image.new_zeros(1, len(neighbourhoods) + 1, *image.shape[2:])
    for channel, (width, noise_floor) in enumerate(neighbourhoods):
        softened = gaussian_blur(lungs, width)
        weight = softened.flatten()[inside].clamp(min=1e-3)
        mean = gaussian_blur(in_lungs, width).flatten()[inside] / weight
        square = gaussian_blur(square_in_lungs, width).flatten()[inside] / weight
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        features[0, channel].view(-1)[inside] = share * (value - mean) / (deviation + noise_floor)
        if channel == 0:
            features[:, -1:] = softened
    return features


def soft_edged(cube: CubeImage) -> CubeImage:
    """The same cube, its lungs fading out at their edge as the image itself does.

    Two masks that were drawn one by one differ by up to a voxel, and so would everything that is measured inside
    them. Where in a voxel the edge lies the densities tell alike in both images: in the layer of voxels on either
    side the share of lung becomes the voxel's place between soft tissue (1, at the top of the HU window) and lung.
    """
    inner = -F.max_pool3d(-cube.lungs, 3, 1, 1) > 0.99
    if not inner.any():
        return cube
    outer = F.max_pool3d(cube.lungs, 3, 1, 1) > 0.01
    lung = cube.image[inner].median()
    share = ((1 - cube.image) / (1 - lung).clamp(min=1e-3)).clamp(0, 1) * outer
    return replace(cube, lungs=torch.where(inner, 1.0, share))


def _smoothed(image: Tensor, lungs: Tensor, sigma: float) -> Tensor:
    """Over lung only, as the local means are."""
    if sigma == 0:
        return image
    return gaussian_blur(image * lungs, sigma) / gaussian_blur(lungs, sigma).clamp(min=1e-3)


def self_similarity(cube: CubeImage, smoothing: float = 0.0) -> Tensor:
    """MIND-SSC: how alike the six neighbours of each voxel are to each other (Heinrich et al. 2013).

    Returns:
        (1, 12, D, H, W) in [0, 1]: exp(-D_p / V) for the twelve pairs of neighbours at right angles.
    """
    image = intensity(cube, smoothing)
    neighbours = [_shifted(image, axis, side * 2) for axis in range(3) for side in (-1, 1)]
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6) if a // 2 != b // 2]
    distances = torch.cat([gaussian_blur((neighbours[a] - neighbours[b]).square(), 1.0) for a, b in pairs], 1)
    distances = distances - distances.amin(1, keepdim=True)
    variance = distances.mean(1, keepdim=True)
    variance = variance.clamp(min=float(variance.mean()) * 1e-3 + 1e-9, max=float(variance.mean()) * 1e3 + 1e-6)
    return torch.exp(-distances / variance)


def _shifted(image: Tensor, axis: int, voxels: int) -> Tensor:
    """The image moved along one axis; the edge is repeated."""
    size = image.shape[axis + 2]
    index = (torch.arange(size, device=image.device) + voxels).clamp(0, size - 1)
    return image.index_select(axis + 2, index)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of `sigma` voxels; zero beyond the border. (B, C, D, H, W) -> same."""
    if sigma <= 0:
        return image
    return along_axes(image, [_blurring(size, sigma, image.dtype, image.device) for size in image.shape[2:]])


@lru_cache(maxsize=64)  # a registration blurs dozens of times alike; each of the matrices has at most a few MB
def _blurring(size: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size, size) symmetric: a Gaussian around each sample, cut at three deviations; its sum is one off the border."""
    radius = max(1, int(3 * sigma + 0.5))
    place = torch.arange(size, dtype=dtype)
    offset = (place[:, None] - place).abs()
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2) * (offset <= radius)
    whole = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=dtype) / sigma) ** 2)
    return (kernel / whole.sum()).to(device)
