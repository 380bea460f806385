"""What one training step reads, and the random numbers that it is drawn by.

Every item of every step has random numbers of its own, a function of (seed, step, item). So a run
that is resumed goes on as if it had never stopped, without any random state in the checkpoint, and
a step is the same on one process as shared among several.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from NePhiCore.comparison import SIMILARITY_TABLE, ComparedImage
from NePhiCore.features import Neighbourhood
from NePhiCore.sampling import uniform_points
from NePhiCore.scales import SCALES

Tensor = torch.Tensor

# Real images are compared at 3 mm, where the optimisation begins; with low floors, for texture is in more places than
# vessels are, and a network learns from it sooner.
COARSE = replace(SCALES[0], neighbourhoods=(Neighbourhood(2.0, 0.02), Neighbourhood(4.0, 0.02)))
SIMILARITY = SIMILARITY_TABLE["local_ncc"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pairs whose truth is known.

    Attributes:
        matches: (B, HEAD_INPUTS, n, n, n), what the encoder's U-Net sees.
        points: two of (B, N, 3), in the fixed and in the moving cube.
        truth: two of (B, N, 3), the true displacements there, cube units.
    """

    matches: Tensor
    points: tuple[Tensor, Tensor]
    truth: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, items: list[Batch]) -> Batch:
        """Several batches as one."""
        matches = torch.cat([item.matches for item in items])
        return cls(matches, _joined([item.points for item in items]), _joined([item.truth for item in items]))


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Pairs of real images without a truth.

    Attributes:
        matches: (B, HEAD_INPUTS, n, n, n).
        images: B of (fixed, moving), at the scale COARSE, to be compared by SIMILARITY.
        points: two of (B, N, 3) to compare the images at, in the fixed and in the moving cube.
        regularity_points: two of (B, M, 3).
    """

    matches: Tensor
    images: list[tuple[ComparedImage, ComparedImage]]
    points: tuple[Tensor, Tensor]
    regularity_points: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, items: list[ImageBatch]) -> ImageBatch:
        """Several batches as one."""
        images = [images for item in items for images in item.images]
        points, regularity_points = (
            _joined([getattr(item, name) for item in items]) for name in ("points", "regularity_points")
        )
        return cls(torch.cat([item.matches for item in items]), images, points, regularity_points)


def _joined(sides: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Items of (fixed, moving) -> the batch of the fixed ones and that of the moving ones."""
    return tuple(torch.cat(parts) for parts in zip(*sides))


def generators_of(seed: int, step: int, items: range, device: torch.device | str = "cpu") -> list[torch.Generator]:
    """Random numbers for some items of a step."""
    states = [np.random.SeedSequence([seed, step, item]).generate_state(1, np.uint64)[0] for item in items]
    return [torch.Generator(device).manual_seed(int(state >> np.uint64(1))) for state in states]


def training_points(lungs: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(B, count, 3) points, three quarters of them in the lungs (B, 1, n, n, n), the rest anywhere."""
    anywhere = uniform_points(count // 4, generator, lungs.shape[0])
    return torch.cat([anywhere, _lung_points(lungs, count - count // 4, generator)], 1)


def _lung_points(lungs: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(B, count, 3) points, drawn from the cells that hold lung."""
    size = lungs.shape[2]
    cells = torch.multinomial((lungs > 0.3).flatten(1).float() + 1e-6, count, True, generator=generator)
    index = torch.stack([cells // size**2, cells // size % size, cells % size], -1)
    jitter = torch.rand(index.shape, generator=generator, device=generator.device) - 0.5
    return ((index + jitter) / (size - 1) * 2 - 1).clamp(-1, 1)
