"""Which of two scans shows the lungs more sharply, and how much to smooth it.

Kernel, dose and slices may differ between inhale and exhale, and a lung that is squeezed is sampled more coarsely. What
only one of the images resolves is noise to the other, and draws the map to where it happens to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .features import Neighbourhood, locally_normalised, soft_edged
from .losses import correlation
from .preprocessing import CubeImage
from .sampling import cube_grid, points_among, read_image
from .side_by_side import side_by_side

Tensor = torch.Tensor
PointMap = Callable[[Tensor], Tensor]

POINTS = 20_000
VARIANCE = 1.5  # voxels^2 of the Gaussian over each image, on average: enough for noise to say nothing
SHARES = (-0.8, -0.4, 0.0, 0.4, 0.8)  # of it, taken from the fixed image and given to the moving one
NEIGHBOURHOOD = Neighbourhood(1.6)  # that is normalised
LEAST_ALIKE = 0.2  # a correlation below this says that there is nothing to compare


@torch.no_grad()
def smoothing_to_match(
    fixed: CubeImage, moving: CubeImage, fixed_to_moving: PointMap, generator: torch.Generator
) -> tuple[float, float]:
    """Gaussian to smooth each image with so that both are equally sharp.

    Both are smoothed by different amounts, the sum of whose variances stays the same: the images are most alike where
    the sharper one was smoothed by as much more as it is sharper. A map that is a little off costs all of
    these alike, and so changes the answer little.

    Args:
        fixed, moving: over their cubes, at one spacing.
        fixed_to_moving: points (1, N, 3) of the fixed cube to points of the moving one, about right.
        generator: of the points, on the device of the images.

    Returns:
        Standard deviations for fixed and moving, voxels; one of them is 0, and both are where the images share nothing.
    """
    in_lungs = cube_grid(tuple(fixed.lungs.shape[2:]), fixed.lungs.device)[fixed.lungs[0, 0] > 0]
    points = points_among(in_lungs, POINTS, fixed.cell_norm, generator)
    seen = side_by_side(_read_smoothed, (fixed, points, -1), (moving, fixed_to_moving(points), 1))
    alike = [float(correlation(*pair)) for pair in zip(*seen)]
    if max(alike) < LEAST_ALIKE:
        return 0.0, 0.0
    difference = 2 * VARIANCE * _peak(SHARES, alike)
    return max(0.0, -difference) ** 0.5, max(0.0, difference) ** 0.5


def _read_smoothed(cube: CubeImage, points: Tensor, sign: int) -> list[Tensor]:
    """The structure of an image at points (1, N, 3), smoothed by each of the shares: (1, N, 1) each."""
    edged = soft_edged(cube)
    sigmas = ((VARIANCE * (1 + sign * share)) ** 0.5 for share in SHARES)
    return [read_image(locally_normalised(edged, (NEIGHBOURHOOD,), sigma)[:, :1], points) for sigma in sigmas]


def _peak(places: Sequence[float], values: Sequence[float]) -> float:
    """Where the parabola through the largest of some values and its neighbours is highest; an end at the ends."""
    top = max(range(len(values)), key=values.__getitem__)
    if top in (0, len(values) - 1):
        return places[top]
    before, here, after = values[top - 1 : top + 2]
    return places[top] + (places[top + 1] - places[top]) * 0.5 * (before - after) / (before - 2 * here + after)
