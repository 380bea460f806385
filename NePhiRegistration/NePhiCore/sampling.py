"""Points in the network's cube, and reading grids at them.

Every reading of a grid at points, and with it the only reversal of coordinate
order (PyTorch's ``grid_sample`` wants x, y, z), happens here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

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
    rows, index, weight = _corners(grid, points_norm)
    # Not rows[index]: its backward adds up in whatever order the threads of a CPU come, and takes twice as long.
    corner_values = rows.index_select(0, index.flatten()).unflatten(0, index.shape)
    return torch.einsum("bnkc,bnk->bnc", corner_values, weight)


def read_channels(grid: Tensor, points_norm: Tensor) -> Tensor:
    """`read_linear`, differentiable once: for grids of many channels in a third of the time.

    Args:
        grid: (B, C, D, H, W).
        points_norm: (B, N, 3); beyond [-1, 1] the edge is repeated.

    Returns:
        (B, N, C).
    """
    rows, index, weight = _corners(grid, points_norm)
    read: Callable[..., Tensor] = _WeightedRows.apply
    values: Tensor = read(rows, index.flatten(0, 1), weight.flatten(0, 1)).unflatten(0, index.shape[:2])
    return values


class _WeightedRows(torch.autograd.Function):
    """(M, C) rows, (N, 8) which of them, (N, 8) weights -> (N, C) their sums."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rows, index, weight)
        return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)

    @staticmethod
    def backward(ctx: Any, of_values: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        only_once()
        rows, index, weight = ctx.saved_tensors
        of_rows = of_weight = None
        if ctx.needs_input_grad[0]:
            shares = weight[..., None] * of_values[:, None]
            of_rows = torch.zeros_like(rows).index_add_(0, index.flatten(), shares.flatten(0, 1))
        if ctx.needs_input_grad[2]:
            corner_values = rows.index_select(0, index.flatten()).unflatten(0, index.shape)
            of_weight = (corner_values @ of_values[..., None])[..., 0]
        return of_rows, None, of_weight


def only_once() -> None:
    """For the way back of a function that is written out: it has no derivative of its own, and shall not seem to.

    Raises:
        RuntimeError: a second derivative is asked for.
    """
    if torch.is_grad_enabled():
        raise RuntimeError("This is differentiable once. For more use CoordinateNetwork.plain and read_linear.")


def _corners(grid: Tensor, points_norm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The samples (B D H W, C) of a grid, and for each point which eight of them (B, N, 8) count how much (B, N, 8)."""
    batch, channels, *shape = grid.shape
    last, steps, offsets = _layout(tuple(shape), points_norm.dtype, grid.device)
    position = ((points_norm + 1) * 0.5).clamp(0, 1) * last
    low = position.detach().nan_to_num(0).floor().minimum(last - 1).clamp(min=0)
    upper = position - low
    both = torch.stack([1 - upper, upper], -1)  # (B, N, 3, 2)
    weight = both[:, :, 0, :, None, None] * both[:, :, 1, None, :, None] * both[:, :, 2, None, None, :]
    first = (low.long() * steps).sum(-1, keepdim=True)
    if batch > 1:
        first = first + torch.arange(batch, device=grid.device)[:, None, None] * math.prod(shape)
    rows = grid.flatten(2).transpose(1, 2).reshape(-1, channels)
    return rows, first + offsets, weight.flatten(2)


@lru_cache(maxsize=32)  # what is made on the CPU and sent makes a GPU wait
def _layout(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of a grid: the last index along each axis (3,), the steps of the axes (3,), those to the eight corners (8,)."""
    steps = [shape[1] * shape[2], shape[2], 1]
    ends = ([0, step if n > 1 else 0] for step, n in zip(steps, shape))
    offsets = [sum(corner) for corner in product(*ends)]
    last = torch.tensor(shape, dtype=dtype) - 1
    return last.to(device), torch.tensor(steps).to(device), torch.tensor(offsets).to(device)


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
    return torch.addcmul(candidates_norm[chosen], within, cell_norm)[None]
