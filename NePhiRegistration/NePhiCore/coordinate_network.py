"""The deformation as a function of the coordinate: modulated periodic activations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from .coordinate_layers import Layer, displacement
from .latent_code import LatentCode
from .sampling import read_linear

Tensor = torch.Tensor


class CoordinateNetwork(nn.Module):
    """u(x; z): displacement of a point of the cube, given the latent code there.

    NePhi, arXiv 2309.07322v1, app. A.1, after Mehta et al. 2021 (modulated periodic activations):

        g = [sin(2 pi B x), cos(2 pi B x)]                      Fourier features
        a_0 = relu(M_0 [z, g] + m_0)      h_0 = a_0 * sin(W_0 g + w_0)
        a_l = relu(M_l [a_(l-1), z] + m_l)  h_l = a_l * sin(W_l h_(l-1) + w_l)
        u = V h

    V starts at zero, so the map x + u starts at the identity.

    Args:
        global_channels, local_channels: sizes of the latent code.
        width: units of a layer.
        frequencies: number of Fourier frequencies.
        frequency_scale: standard deviation of the frequencies, cycles per unit of the cube.
        layers: number of hidden layers, at least 1.
    """

    frequencies: Tensor

    def __init__(
        self,
        global_channels: int = 32,
        local_channels: int = 32,
        width: int = 128,
        frequencies: int = 128,
        frequency_scale: float = 1.0,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(3, frequencies) * frequency_scale)
        features = 2 * frequencies
        inputs = [features] + [width] * (layers - 1)
        self.synthesis = nn.ModuleList(nn.Linear(n, width) for n in inputs)
        self.modulation = nn.ModuleList(nn.Linear(n + local_channels, width) for n in inputs)
        self.global_modulation = nn.ModuleList(nn.Linear(global_channels, width, bias=False) for _ in inputs)
        self.output = nn.Linear(width, 3, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for layer in _linear(self.synthesis):
            bound = math.sqrt(6.0 / layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound)
        for layer in _linear(self.modulation):
            nn.init.constant_(layer.bias, 0.5)
        nn.init.zeros_(self.output.weight)

    def forward(self, points_norm: Tensor, code: LatentCode) -> Tensor:
        """(B, N, 3) points in (z, y, x) and their code -> (B, N, 3) displacement, cube units. Once differentiable."""
        parts = zip(*map(_linear, (self.synthesis, self.modulation, self.global_modulation)))
        biases = [(s, m, m.bias + g(code.global_code)) for s, m, g in parts]
        local = code.local_at(points_norm)
        images = [
            displacement(
                points_norm[image],
                local[image],
                self.frequencies,
                [Layer(s.weight, s.bias, m.weight, shift[image]) for s, m, shift in biases],
                self.output.weight,
            )
            for image in range(len(points_norm))
        ]
        return torch.stack(images)

    def plain(self, points_norm: Tensor, code: LatentCode) -> Tensor:
        """The same as its equations say it, differentiable any number of times."""
        phase = (2 * math.pi) * (points_norm @ self.frequencies)
        state = torch.cat([phase.sin(), phase.cos()], -1)
        local = read_linear(code.local_code, points_norm)
        amplitude = state
        layers = zip(*map(_linear, (self.synthesis, self.modulation, self.global_modulation)))
        for synthesis, modulation, global_modulation in layers:
            shift = global_modulation(code.global_code)[:, None]
            amplitude = F.relu(modulation(torch.cat([amplitude, local], -1)) + shift)
            state = amplitude * synthesis(state).sin()
        moved: Tensor = self.output(state)
        return moved


def _linear(layers: nn.ModuleList) -> Iterable[nn.Linear]:
    """The same, of the type that torch's list of layers does not keep."""
    return cast("Iterable[nn.Linear]", layers)
