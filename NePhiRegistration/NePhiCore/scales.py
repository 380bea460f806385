"""A pair at the scales that an optimisation goes through, coarse first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .comparison import SIMILARITY_TABLE, ComparedImage
from .enclosed_tissue import compared_tissue
from .geometry import ImageGeometry
from .preprocessing import CubeImage
from .settings import RegistrationSettings

CubesAt = Callable[[float], tuple[CubeImage, CubeImage]]


@dataclass(frozen=True)
class Scale:
    """One step of the coarse-to-fine schedule.

    Attributes:
        spacing_mm: of the images compared; thick slices make it coarser, see `compared_spacing`.
        widths: neighbourhoods of the local features, voxels.
        share: of all iterations.
        regularity: factor on the regularity weight: free while far away, strict at the end.
        guidance: weight of the distance to the encoder's matches.
    """

    spacing_mm: float
    widths: tuple[float, ...]
    share: float
    regularity: float
    guidance: float


SCALES = (
    Scale(3.0, (2.0, 4.0), share=0.25, regularity=1.0, guidance=0.3),
    Scale(2.0, (0.8, 3.0), share=0.5, regularity=1.0, guidance=0.0),
    Scale(2.0, (0.8, 3.0), share=0.25, regularity=2.5, guidance=0.0),
)


def compared_spacing(spacing_mm: float, *images: ImageGeometry) -> float:
    """Spacing, mm, at which images are compared: a scale's, but no finer than slices are apart.

    Between thick slices there is nothing to compare, and noise would look like agreement of neighbours. Slices further
    apart than the coarsest scale do not make it coarser.
    """
    slices_mm = max(float(image.spacing_mm.max()) for image in images)
    return max(spacing_mm, min(slices_mm, SCALES[0].spacing_mm))


def sampled_alike(settings: RegistrationSettings, *images: ImageGeometry) -> RegistrationSettings:
    """Sampling ratios that draw as many points where thick slices leave fewer voxels to draw from."""
    finest_mm = SCALES[-1].spacing_mm
    fewer = (compared_spacing(finest_mm, *images) / finest_mm) ** 3
    return replace(
        settings,
        similarity_sampling_ratio=min(1.0, settings.similarity_sampling_ratio * fewer),
        regularity_sampling_ratio=min(1.0, settings.regularity_sampling_ratio * fewer),
    )


@dataclass(frozen=True, eq=False)
class ScaledPair:
    """Fixed and moving at one scale: the lungs, and the soft tissue that they enclose where both images show enough."""

    fixed: ComparedImage
    moving: ComparedImage
    tissue: ScaledPair | None = None


def scaled_pairs(cubes_at: CubesAt, similarity: str, tissue_at: CubesAt | None = None) -> list[ScaledPair]:
    """The pair at every scale, features computed once.

    Args:
        cubes_at: from a spacing, mm, to both images.
        tissue_at: the same in `enclosed_tissue.HU_WINDOW`; None leaves the enclosed tissue out.
    """
    kind = SIMILARITY_TABLE[similarity]
    made: dict[tuple[float, tuple[float, ...]], ScaledPair] = {}
    for s in SCALES:
        images = s.spacing_mm, s.widths
        if images not in made:
            fixed, moving = (ComparedImage.of(cube, kind, s.widths) for cube in cubes_at(s.spacing_mm))
            made[images] = ScaledPair(fixed, moving, _tissue_pair(tissue_at, s.spacing_mm))
    return [made[s.spacing_mm, s.widths] for s in SCALES]


def _tissue_pair(tissue_at: CubesAt | None, spacing_mm: float) -> ScaledPair | None:
    if tissue_at is None:
        return None
    fixed, moving = (compared_tissue(cube) for cube in tissue_at(spacing_mm))
    return ScaledPair(fixed, moving) if fixed and moving else None


def schedule(pairs: list[ScaledPair], iterations: int) -> Iterator[tuple[Scale, ScaledPair]]:
    """The scale and pair of each iteration, coarse first."""
    done, share = 0, 0.0
    for scale, pair in zip(SCALES, pairs):
        share += scale.share
        until = iterations if scale is SCALES[-1] else round(iterations * share)
        yield from ((scale, pair) for _ in range(done, until))
        done = until
