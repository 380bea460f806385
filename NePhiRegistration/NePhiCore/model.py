"""NePhi: an encoder and two coordinate networks that share its latent code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import nn

from .coordinate_network import CoordinateNetwork
from .encoder import Encoder, matched_displacements
from .errors import SettingsError
from .latent_code import LatentCode, zero_code
from .preprocessing import CubeImage

Tensor = torch.Tensor

# A config may come from a file; sizes beyond these are a mistake or malice, and the model would eat the memory.
_LARGEST = {
    "global_channels": 512,
    "local_channels": 512,
    "local_size": 65,
    "width": 1024,
    "frequencies": 1024,
    "layers": 16,
    "encoder_width": 256,
}


@dataclass(frozen=True)
class ModelConfig:
    """Everything that is needed to build a model; travels inside the checkpoint.

    Attributes:
        global_channels, local_channels: channels of the latent code.
        local_size: samples along each side of the local code.
        width, frequencies, frequency_scale, layers: the coordinate networks.
        encoder_width: channels of the encoder's U-Net.

    Raises:
        SettingsError: a size that is no whole number from 1 to its bound, a scale that is not positive and finite.
    """

    global_channels: int = 32
    local_channels: int = 32
    local_size: int = 21
    width: int = 128
    frequencies: int = 128
    frequency_scale: float = 1.0
    layers: int = 2
    encoder_width: int = 48

    def __post_init__(self) -> None:
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= largest:
                raise SettingsError(f"{name} must be a whole number in [1, {largest}], got {value!r}.")
        scale = self.frequency_scale
        if not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
            raise SettingsError(f"frequency_scale must be a positive number, got {scale!r}.")

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class NePhiModel(nn.Module):
    """Encoder and the two maps phi (fixed to moving) and psi (moving to fixed).

    phi(x) = x + u_1(x; z(x)), psi(x) = x + u_2(x; z(x)): same structure, separate
    weights, the same latent code z (NePhi, arXiv 2309.07322v1, sec. 4).
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder_width, config.global_channels, config.local_channels, config.local_size)
        self.fixed_to_moving = _coordinate_network(config)
        self.moving_to_fixed = _coordinate_network(config)

    @torch.no_grad()
    def encode(
        self, fixed: CubeImage, moving: CubeImage, known: Tensor | None = None
    ) -> tuple[LatentCode, tuple[Tensor, Tensor]]:
        """Two images over their cubes, and a displacement to start from where one is known.

        Returns:
            The latent code, and what the encoder's search found: see `matched_displacements`.
        """
        matches = self.encoder.matches(fixed, moving, known)
        return self.encoder.code_from_matches(matches), matched_displacements(matches)

    def empty_code(self, batch: int = 1) -> LatentCode:
        """The all-zero code: the start of pairwise optimisation from scratch."""
        config, device = self.config, self.fixed_to_moving.output.weight.device
        return zero_code((config.global_channels, config.local_channels), config.local_size, batch, device)

    def coordinate_parameters(self) -> list[nn.Parameter]:
        """Weights of the two coordinate networks, without the encoder."""
        return [*self.fixed_to_moving.parameters(), *self.moving_to_fixed.parameters()]


def _coordinate_network(config: ModelConfig) -> CoordinateNetwork:
    return CoordinateNetwork(
        config.global_channels,
        config.local_channels,
        config.width,
        config.frequencies,
        config.frequency_scale,
        config.layers,
    )


def map_points(network: Callable[[Tensor, LatentCode], Tensor], points_norm: Tensor, code: LatentCode) -> Tensor:
    """x + u(x): one of the model's maps at points (B, N, 3) of the cube.

    Outside the cube the displacement of the nearest point of its surface goes on, so
    that the map stays continuous and moves far tissue along with the lungs' placement.
    """
    return points_norm + network(points_norm.clamp(-1, 1), code)
