"""Two images at one scale, ready to be compared at points: features, where to draw, what is in view."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .features import Neighbourhood, gaussian_blur, intensity, locally_normalised, self_similarity, soft_edged
from .losses import correlation_loss, noise_at_correlation, squared_correlation_loss, squared_difference_loss
from .preprocessing import CubeImage
from .sampling import cube_grid, points_among, read_image, uniform_points

Tensor = torch.Tensor

RIM_VOXELS, RIM_SHARE = 1.0, 0.1  # points are drawn this far around the lungs too: the pleura is an edge to align
SMOOTHING = 0.25  # voxels; an image read between its voxels is smoothed anyway, and shall not seem the better for it


@dataclass(frozen=True)
class Similarity:
    """How images are compared: channels computed once, and a loss over the values read at points.

    Attributes:
        features: of an image, the neighbourhoods to look at and the deviation of a Gaussian beforehand, voxels.
        loss: of the values of both images at the same N points, (1, N, C) each.
        noise: of that loss, a factor on the weight of the regularity: the less of one image the other explains, the
            more counts what is known of all maps.
    """

    features: Callable[[CubeImage, Sequence[Neighbourhood], float], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    noise: Callable[[Tensor], Tensor] = torch.ones_like


SIMILARITY_TABLE = {
    "local_ncc": Similarity(
        # Without the mask's own channel: masks found one by one pull at the pleura.
        lambda cube, neighbourhoods, blur: locally_normalised(
            soft_edged(cube), neighbourhoods, math.hypot(SMOOTHING, blur)
        )[:, :-1],
        correlation_loss,
        noise_at_correlation,
    ),
    "ncc": Similarity(lambda cube, neighbourhoods, blur: intensity(cube, blur), squared_correlation_loss),
    "mind": Similarity(lambda cube, neighbourhoods, blur: self_similarity(cube, blur), squared_difference_loss),
}


@dataclass(frozen=True, eq=False)
class ComparedImage:
    """One image at one scale.

    Attributes:
        features: (1, C, D, H, W).
        candidates_norm: (M, 3) centres of the voxels that points are drawn from.
        cell_norm: (3,) width of a voxel.
    """

    features: Tensor
    candidates_norm: Tensor
    cell_norm: Tensor

    @classmethod
    def of(
        cls, cube: CubeImage, similarity: Similarity, neighbourhoods: Sequence[Neighbourhood], smoothing: float = 0.0
    ) -> ComparedImage:
        near_lungs = gaussian_blur(cube.lungs, RIM_VOXELS)[0, 0] > RIM_SHARE
        candidates = cube_grid(tuple(near_lungs.shape), near_lungs.device)[near_lungs]
        return cls(similarity.features(cube, neighbourhoods, smoothing), candidates, cube.cell_norm)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """(1, count, 3) points in and around the lungs."""
        return points_among(self.candidates_norm, count, self.cell_norm, generator)

    def draw_for_regularity(self, count: int, generator: torch.Generator) -> Tensor:
        """(1, count, 3) points, half of them in the lungs, half anywhere in the cube."""
        in_lungs = max(1, count // 2)
        anywhere = uniform_points(count - in_lungs, generator)
        return torch.cat([self.draw(in_lungs, generator), anywhere], 1)

    def read(self, points_norm: Tensor) -> Tensor:
        return read_image(self.features, points_norm)
