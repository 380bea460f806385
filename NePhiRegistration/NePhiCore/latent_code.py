"""The hybrid latent code of a pair of images: one vector and one small map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .axis_products import along_axes, linear_weights
from .sampling import read_channels

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class LatentCode:
    """Latent code z(x) = [z_g, z_l(x)] (NePhi, arXiv 2309.07322v1, eq. 6).

    Attributes:
        global_code: (B, C_g), z_g, the same everywhere.
        local_code: (B, C_l, d, h, w), z_l, over the cube; read between its samples trilinearly.
    """

    global_code: Tensor
    local_code: Tensor

    def local_at(self, points_norm: Tensor) -> Tensor:
        """z_l at points (B, N, 3) of the cube -> (B, N, C_l). Once differentiable."""
        return read_channels(self.local_code, points_norm)

    def map(self, change: Callable[[Tensor], Tensor]) -> LatentCode:
        """The code with `change` applied to both of its tensors."""
        return LatentCode(change(self.global_code), change(self.local_code))

    def frozen(self) -> LatentCode:
        """A copy without a gradient."""
        return self.map(lambda part: part.detach().clone())

    def tensors(self) -> list[Tensor]:
        return [self.global_code, self.local_code]


class RefinedCode:
    """A code and a change of it that an optimiser finds, its map as a sum over coarse to fine grids.

    Most of what a code has to change is smooth. On a coarse grid the gradients of many points act together:
    it moves far in few steps, and noise cancels. The finest grid is the code's own, so that nothing is out of reach.

    Attributes:
        start: the code that is changed; never touched.
        change: of the global code, (B, C_g), zero at first.
        changes: of the local code, (B, C_l, n, n, n) each, zero at first, finest last.
    """

    def __init__(self, start: LatentCode, levels: int = 3) -> None:
        self.start = start.frozen()
        self.change = torch.zeros_like(start.global_code, requires_grad=True)
        batch, channels, *size = start.local_code.shape
        sizes = [size]
        for _ in range(levels - 1):
            sizes.insert(0, [(n + 1) // 2 for n in sizes[0]])
        device = start.local_code.device
        self.changes = [torch.zeros(batch, channels, *size, device=device, requires_grad=True) for size in sizes]
        self._to_finer = [[_between(n, m, device) for n, m in zip(*pair)] for pair in zip(sizes[1:], sizes)]

    def tensors(self) -> list[Tensor]:
        """What the optimiser changes."""
        return [self.change, *self.changes]

    def code(self) -> LatentCode:
        """The code as it is now, with gradients to the changes."""
        coarse, *finer = self.changes
        # A grid's samples are among those of the next: level upon level is the same as each on the finest.
        for matrices, change in zip(self._to_finer, finer):
            coarse = along_axes(coarse, matrices) + change
        return LatentCode(self.start.global_code + self.change, self.start.local_code + coarse)


def _between(finer: int, coarser: int, device: torch.device) -> Tensor:
    """(finer, coarser) weights that read an axis of `coarser` samples at `finer` places, end on end."""
    return linear_weights(torch.linspace(0, coarser - 1, finer, device=device), coarser)


def zero_code(channels: tuple[int, int], size: int, batch: int = 1, device: torch.device | str = "cpu") -> LatentCode:
    """The code of all zeros: (global, local) channels, `size` samples along each axis of the map."""
    global_channels, local_channels = channels
    return LatentCode(
        torch.zeros(batch, global_channels, device=device),
        torch.zeros(batch, local_channels, size, size, size, device=device),
    )
