"""A pair at the scales that an optimisation goes through, coarse first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .comparison import SIMILARITY_TABLE, ComparedImage
from .enclosed_tissue import compared_tissue
from .features import Neighbourhood
from .preprocessing import CubeImage
from .side_by_side import side_by_side

CubesAt = Callable[[float], tuple[CubeImage, CubeImage]]


@dataclass(frozen=True)
class Scale:
    """One step of the coarse-to-fine schedule.

    Attributes:
        spacing_mm: of the images compared.
        neighbourhoods: of the local features.
        share: of all iterations.
        regularity: factor on the regularity weight: free while far away, strict at the end.
        guidance: weight of the distance to the encoder's matches.
    """

    spacing_mm: float
    neighbourhoods: tuple[Neighbourhood, ...]
    share: float
    regularity: float
    guidance: float


FINEST_MM = 2.0
# Narrow ones with low floors see the texture everywhere, wide ones with high floors the vessels, which it would drown.
_COARSE = Neighbourhood(2.0, 0.3), Neighbourhood(4.0, 1.0)
_FINEST = Neighbourhood(0.8, 0.02), Neighbourhood(1.6, 0.02), Neighbourhood(4.0, 1.0), Neighbourhood(8.0, 1.0)
SCALES = (
    Scale(3.0, _COARSE, share=0.25, regularity=1.0, guidance=0.3),
    Scale(FINEST_MM, _FINEST, share=0.5, regularity=1.0, guidance=0.0),
    Scale(FINEST_MM, _FINEST, share=0.25, regularity=2.5, guidance=0.0),
)


@dataclass(frozen=True, eq=False)
class ScaledPair:
    """Fixed and moving at one scale: the lungs, and the soft tissue that they enclose where both images show enough."""

    fixed: ComparedImage
    moving: ComparedImage
    tissue: ScaledPair | None = None

    def turned(self) -> ScaledPair:
        """The pair as the way back sees it."""
        return ScaledPair(self.moving, self.fixed, self.tissue and self.tissue.turned())


def scaled_pairs(
    cubes_at: CubesAt,
    similarity: str,
    tissue_at: CubesAt | None = None,
    smoothing_mm: tuple[float, float] = (0.0, 0.0),
) -> list[ScaledPair]:
    """The pair at every scale, features computed once.

    Args:
        cubes_at: from a spacing, mm, to both images.
        tissue_at: the same in `enclosed_tissue.HU_WINDOW`; None leaves the enclosed tissue out.
        smoothing_mm: of the Gaussian over the fixed and over the moving image, from `sharpness`.
    """
    kind = SIMILARITY_TABLE[similarity]
    made: dict[tuple[float, tuple[Neighbourhood, ...]], ScaledPair] = {}
    for s in SCALES:
        seen_at = s.spacing_mm, s.neighbourhoods
        if seen_at not in made:
            smoothed = zip(cubes_at(s.spacing_mm), smoothing_mm)
            images = [(cube, kind, s.neighbourhoods, sigma_mm / s.spacing_mm) for cube, sigma_mm in smoothed]
            fixed, moving = side_by_side(ComparedImage.of, *images)
            made[seen_at] = ScaledPair(fixed, moving, _tissue_pair(tissue_at, s.spacing_mm))
    return [made[s.spacing_mm, s.neighbourhoods] for s in SCALES]


def _tissue_pair(tissue_at: CubesAt | None, spacing_mm: float) -> ScaledPair | None:
    if tissue_at is None:
        return None
    fixed, moving = side_by_side(compared_tissue, *((cube,) for cube in tissue_at(spacing_mm)))
    return ScaledPair(fixed, moving) if fixed and moving else None


def schedule(pairs: list[ScaledPair], iterations: int) -> Iterator[tuple[Scale, ScaledPair]]:
    """The scale and pair of each iteration, coarse first."""
    done, share = 0, 0.0
    for scale, pair in zip(SCALES, pairs):
        share += scale.share
        until = iterations if scale is SCALES[-1] else round(iterations * share)
        yield from ((scale, pair) for _ in range(done, until))
        done = until
