"""The soft tissue that the lungs enclose: hilum, heart, great vessels, the dome under the base.

The lungs alone say nothing about what lies between and below them, and a map that is asked there extrapolates. This
tissue moves with the lungs that enclose it. The chest wall and the spine do not, the lungs slide along them: they stay
out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from .comparison import ComparedImage
from .features import Neighbourhood, gaussian_blur, locally_normalised
from .preprocessing import CubeImage
from .sampling import cube_grid

Tensor = torch.Tensor

HU_WINDOW = (-150.0, 250.0)  # fat to contrast medium; what lies at its lower end or below is no soft tissue
# Voxels, wider than in the lungs: less contrast, more noise; and shares of that window, 24 HU.
NEIGHBOURHOODS = (Neighbourhood(1.5, 0.06), Neighbourhood(3.0, 0.06))
SMOOTHING = 0.6  # voxels
SPINE_DEPTH, SPINE_HALF_WIDTH_MM = 0.25, 25.0  # share of the lungs' depth in a slice, and from their midline
FEWEST_VOXELS = 500  # below this there is nothing to compare
_EDGE_VOXELS, _EDGE_SHARE = 1.0, 0.3  # a lung that is narrower encloses nothing


def compared_tissue(cube: CubeImage) -> ComparedImage | None:
    """The enclosed tissue ready to be compared at points; None where there is too little of it.

    Args:
        cube: its image over HU_WINDOW.
    """
    lungs = gaussian_blur(cube.lungs, _EDGE_VOXELS) > _EDGE_SHARE
    tissue = between(lungs) & ~around_spine(lungs, _column_mm(cube)) & (cube.image > 0)
    if int(tissue.sum()) < FEWEST_VOXELS:
        return None
    features = locally_normalised(replace(cube, lungs=tissue.float()), NEIGHBOURHOODS, SMOOTHING)[:, :-1]
    candidates = cube_grid(tuple(tissue.shape[2:]), tissue.device)[tissue[0, 0]]
    return ComparedImage(features, candidates, cube.cell_norm)


def between(lungs: Tensor) -> Tensor:
    """(1, 1, D, H, W) bool -> bool: what has lung, or is lung, on its left and on its right."""
    seen = lungs.byte()
    return (seen.cummax(-1).values & seen.flip(-1).cummax(-1).values.flip(-1)).bool()


def around_spine(lungs: Tensor, column_mm: float) -> Tensor:
    """(1, 1, D, H, W) bool -> bool: the back of the midline, where the spine lies.

    Args:
        column_mm: from one voxel to the next along W, left and right.
    """
    rows, columns = (torch.arange(n, device=lungs.device) for n in lungs.shape[3:])
    back, front = _ends(lungs.any(-1), rows)  # (1, 1, D, 1)
    left, right = _ends(lungs.any(3).any(2), columns)  # (1, 1, 1)
    at_back = rows < back + SPINE_DEPTH * (front - back)
    in_the_middle = (columns - (left + right) / 2).abs() * column_mm < SPINE_HALF_WIDTH_MM
    return at_back[..., None] & in_the_middle[:, :, None, None]


def _ends(inside: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place along the last axis that is inside; where none is, the first comes after the last."""
    first = torch.where(inside, places, len(places)).amin(-1, keepdim=True)
    return first, torch.where(inside, places, -1).amax(-1, keepdim=True)


def _column_mm(cube: CubeImage) -> float:
    return float(cube.cell_norm[2]) * float(np.linalg.norm(cube.norm_to_ras[:3, 2]))
