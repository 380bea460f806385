"""The hybrid latent code of a pair of images: one vector and one small map."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .sampling import read_linear

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
        """z_l at points (B, N, 3) of the cube -> (B, N, C_l)."""
        return read_linear(self.local_code, points_norm)

    def map(self, change) -> LatentCode:
        """The code with `change` applied to both of its tensors."""
        return LatentCode(change(self.global_code), change(self.local_code))

    def leaf(self) -> LatentCode:
        """A copy that an optimiser can change."""
        return self.map(lambda part: part.detach().clone().requires_grad_(True))

    def frozen(self) -> LatentCode:
        """A copy without a gradient."""
        return self.map(lambda part: part.detach().clone())

    def tensors(self) -> list[Tensor]:
        return [self.global_code, self.local_code]


def zero_code(channels: tuple[int, int], size: int, batch: int = 1, device: torch.device | str = "cpu") -> LatentCode:
    """The code of all zeros: (global, local) channels, `size` samples along each axis of the map."""
    global_channels, local_channels = channels
    return LatentCode(
        torch.zeros(batch, global_channels, device=device),
        torch.zeros(batch, local_channels, size, size, size, device=device),
    )
