"""The layers of a coordinate network and their first derivatives, written out.

What `CoordinateNetwork.plain` says in the words of autograd, in three quarters of the time: nothing is computed that
nobody asks for, little is kept, and points go through all layers a few at a time, so that what a layer hands on is
still in the cache. Once differentiable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .sampling import only_once

Tensor = torch.Tensor

CHUNK_POINTS, DEVICE_CHUNK_POINTS = 1024, 65_536  # what the layers make of the first stays in the cache of a CPU


@dataclass(frozen=True)
class Layer:
    """Weights of one hidden layer (arXiv 2309.07322v1, app. A.1).

    Attributes:
        synthesis, synthesis_bias: W_l (width, inputs) and w_l (width,).
        modulation: M_l (width, inputs + C), the columns of the local code last.
        shift: (width,) m_l and what the global code adds to it.
    """

    synthesis: Tensor
    synthesis_bias: Tensor
    modulation: Tensor
    shift: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        return self.synthesis, self.synthesis_bias, self.modulation, self.shift


def displacement(points: Tensor, local: Tensor, frequencies: Tensor, layers: Sequence[Layer], output: Tensor) -> Tensor:
    """u at points.

    Args:
        points: (N, 3).
        local: (N, C) local code there.
        frequencies: (3, F), cycles per unit.
        layers: the hidden layers, first one first.
        output: V, (3, width).

    Returns:
        (N, 3).
    """
    weights = [tensor for layer in layers for tensor in layer.tensors()]
    evaluate: Callable[..., Tensor] = _Layers.apply
    return evaluate(points, local, frequencies, output, *weights)


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, points: Tensor, local: Tensor, frequencies: Tensor, output: Tensor, *weights: Tensor
    ) -> Tensor:
        layers = [Layer(*weights[i : i + 4]) for i in range(0, len(weights), 4)]
        fourier = 2 * math.pi * torch.cat([frequencies, frequencies], 1)
        quarter = torch.zeros_like(fourier[0])
        quarter[frequencies.shape[1] :].fill_(math.pi / 2)  # a cosine is a sine a quarter of a turn on
        moved, chunks = points.new_empty(len(points), 3), []
        for some in _slices(points):
            kept: list[_Kept] | None = [] if any(ctx.needs_input_grad) else None
            phase = torch.addmm(quarter, points[some], fourier)
            state = _forth(phase.sin(), local[some], layers, kept)
            torch.mm(state, output.t(), out=moved[some])
            if kept is not None:
                chunks.append(_Chunk(some, phase, state, kept))
        ctx.known = local, fourier, output, layers, chunks
        return moved

    @staticmethod
    def backward(ctx: Any, of_moved: Tensor) -> tuple[Tensor | None, ...]:
        only_once()
        local, fourier, output, layers, chunks = ctx.known
        ctx.known = None
        needs_points, needs_local, _, needs_output, *needs_weights = ctx.needs_input_grad
        of_points = of_moved.new_empty(of_moved.shape) if needs_points else None
        of_local = torch.empty_like(local) if needs_local else None
        of_output = torch.zeros_like(output) if needs_output else None
        weights = [tensor for layer in layers for tensor in layer.tensors()]
        of_weights = [torch.zeros_like(w) if needed else None for w, needed in zip(weights, needs_weights)]
        for chunk in chunks:
            some = chunk.points
            if of_output is not None:
                of_output.addmm_(of_moved[some].t(), chunk.state)
            of_local_here, of_fourier = _back(
                of_moved[some] @ output, local[some], layers, chunk.kept, of_weights, needs_points
            )
            if of_local is not None:
                of_local[some] = of_local_here
            if of_points is not None:
                torch.mm(of_fourier.mul_(chunk.phase.cos()), fourier.t(), out=of_points[some])
        return (of_points, of_local, None, of_output, *of_weights)


@dataclass
class _Kept:
    """What the way back needs of a layer: what went in, a_l, the angle W_l h + w_l and the sine of that."""

    amplitude_in: Tensor
    state_in: Tensor
    amplitude: Tensor
    angle: Tensor
    sine: Tensor


@dataclass
class _Chunk:
    """The same of some points."""

    points: slice
    phase: Tensor
    state: Tensor
    kept: list[_Kept]


def _slices(points: Tensor) -> list[slice]:
    size = CHUNK_POINTS if points.device.type == "cpu" else DEVICE_CHUNK_POINTS
    return [slice(first, first + size) for first in range(0, len(points), size)]


def _forth(fourier: Tensor, local: Tensor, layers: Sequence[Layer], kept: list[_Kept] | None) -> Tensor:
    """Fourier features (n, 2 F) -> the last layer's h (n, width); what the way back needs is added to `kept`."""
    amplitude_in = state_in = fourier
    for layer in layers:
        size = amplitude_in.shape[1]
        amplitude = torch.addmm(layer.shift, amplitude_in, layer.modulation[:, :size].t())
        amplitude.addmm_(local, layer.modulation[:, size:].t()).clamp_(min=0)
        angle = torch.addmm(layer.synthesis_bias, state_in, layer.synthesis.t())
        sine = angle.sin()
        if kept is not None:
            kept.append(_Kept(amplitude_in, state_in, amplitude, angle, sine))
        amplitude_in, state_in = amplitude, amplitude * sine
    return state_in


def _back(
    of_state: Tensor,
    local: Tensor,
    layers: Sequence[Layer],
    kept: Sequence[_Kept],
    of_weights: list[Tensor | None],
    to_the_points: bool,
) -> tuple[Tensor, Tensor]:
    """The gradient of the last h (n, width) -> those of the local code (n, C) and of the Fourier features (n, 2 F).

    Those of the weights are added to `of_weights`. Of the Fourier features only `to_the_points`.
    """
    of_local = torch.zeros_like(local)
    of_amplitude = None
    for number in reversed(range(len(layers))):
        layer, known = layers[number], kept[number]
        size = known.amplitude_in.shape[1]
        of_relu = of_state * known.sine if of_amplitude is None else of_amplitude.addcmul_(of_state, known.sine)
        of_shifted = torch.ops.aten.threshold_backward(of_relu, known.amplitude, 0)
        of_local.addmm_(of_shifted, layer.modulation[:, size:])
        of_synthesis, of_bias, of_modulation, of_shift = of_weights[4 * number : 4 * number + 4]
        if of_shift is not None:
            of_shift += of_shifted.sum(0)
        if of_modulation is not None:
            of_modulation[:, :size].addmm_(of_shifted.t(), known.amplitude_in)
            of_modulation[:, size:].addmm_(of_shifted.t(), local)
        goes_on = number > 0 or to_the_points
        if not (goes_on or of_synthesis is not None or of_bias is not None):
            break
        of_angle = of_state.mul_(known.amplitude).mul_(known.angle.cos())
        if of_bias is not None:
            of_bias += of_angle.sum(0)
        if of_synthesis is not None:
            of_synthesis.addmm_(of_angle.t(), known.state_in)
        if goes_on:
            of_state, of_amplitude = of_angle @ layer.synthesis, of_shifted @ layer.modulation[:, :size]
    if to_the_points and of_amplitude is not None:  # both began as the Fourier features
        of_state = of_state.add_(of_amplitude)
    return of_local, of_state
