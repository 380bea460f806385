"""Points in the network's cube, and reading grids at them.

Every reading of a grid at points, and with it the only reversal of coordinate
order (PyTorch's ``grid_sample`` wants x, y, z), happens here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from .errors import SettingsError

Tensor = torch.Tensor


def read_linear(grid: Tensor, points_norm: Tensor) -> Tensor:
    """Trilinear reading that can be differentiated any number of times, in the grid and in the points.

    PyTorch's own 3D ``grid_sample`` has no second derivative, which exact gradients of
    inverse consistency (NePhi, Tian et al., arXiv 2309.07322v1, eq. 5) need.

    Args:
        grid: (B, C, D, H, W).
        points_norm: (B, N, 3) in (z, y, x), -1 and +1 at the outermost samples; beyond them the edge is repeated.

    Returns:
        (B, N, C); NaN where a point is NaN.
    """
    batch, channels = grid.shape[:2]
    size = torch.tensor(grid.shape[2:], dtype=points_norm.dtype, device=grid.device)
    position = ((points_norm + 1) * 0.5).clamp(0, 1) * (size - 1)
    low = position.detach().nan_to_num(0).floor().minimum(size - 2).clamp(min=0)
    fraction = position - low
    step = [grid.shape[3] * grid.shape[4], grid.shape[4], 1]
    low_index, upper = low.long(), [min(1, n - 1) for n in grid.shape[2:]]
    rows_per_image = grid.shape[2] * step[0]
    first = sum(low_index[..., a] * step[a] for a in range(3))
    first = first + torch.arange(batch, device=grid.device)[:, None] * rows_per_image
    corners, weights = [], []
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                offset = dz * upper[0] * step[0] + dy * upper[1] * step[1] + dx * upper[2]
                corners.append(first + offset)
                share = [fraction[..., a] if d else 1 - fraction[..., a] for a, d in enumerate((dz, dy, dx))]
                weights.append(share[0] * share[1] * share[2])
    index, weight = torch.stack(corners, -1), torch.stack(weights, -1)
    rows = grid.flatten(2).transpose(1, 2).reshape(-1, channels)
    # Not rows[index]: its backward adds up in whatever order the threads of a CPU come, and takes twice as long.
    corner_values = rows.index_select(0, index.flatten()).unflatten(0, index.shape)
    return torch.einsum("bnkc,bnk->bnc", corner_values, weight)


def read_image(image: Tensor, points_norm: Tensor) -> Tensor:
    """Trilinear reading by the library's fused kernel: once differentiable.

    Args:
        image: (B, C, D, H, W).
        points_norm: (B, N, 3) in (z, y, x); beyond [-1, 1] the edge is repeated.

    Returns:
        (B, N, C).
    """
    where = points_norm.flip(-1)[:, :, None, None]
    values = F.grid_sample(image, where, mode="bilinear", padding_mode="border", align_corners=True)
    return values[..., 0, 0].transpose(1, 2)


def cube_grid(shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """(D, H, W, 3) points of a regular grid that fills the cube, corner to corner."""
    axes = [torch.linspace(-1, 1, n, device=device) if n > 1 else torch.zeros(1, device=device) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def uniform_points(count: int, generator: torch.Generator, batch: int = 1) -> Tensor:
    """(batch, count, 3) points drawn uniformly from the cube, on the generator's device."""
    return torch.rand(batch, count, 3, generator=generator, device=generator.device) * 2 - 1


def points_among(candidates_norm: Tensor, count: int, cell_norm: Tensor, generator: torch.Generator) -> Tensor:
    """Points drawn uniformly from voxels given by their centres, anywhere within each voxel.

    Args:
        candidates_norm: (M, 3) voxel centres.
        count: how many, with replacement.
        cell_norm: (3,) width of a voxel in norm units.

    Returns:
        (1, count, 3).

    Raises:
        SettingsError: there is no voxel to draw from.
    """
    if len(candidates_norm) == 0:
        raise SettingsError("There is no lung voxel to draw points from; the lung mask is empty at this resolution.")
    device = generator.device
    chosen = torch.randint(len(candidates_norm), (count,), generator=generator, device=device)
    within = torch.rand(count, 3, generator=generator, device=device) - 0.5
    return (candidates_norm[chosen] + within * cell_norm)[None]
