"""What is compared with what: a study is a list of named changes of a preset, or of the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from NePhiCore.settings import settings_for

REGULARITY_POINTS = "regularity_points"  # asked for by their number; the setting is a share of the lung voxels
_DENSE_RATIO = 0.05  # above it a registration takes an hour or more on a CPU
_FRESH_RATE = 0.003  # fresh networks have far to go: in 300 iterations on d3 1.29 mm, at 0.001 2.22 mm
_BALANCED = settings_for("balanced")


@dataclass(frozen=True)
class Variant:
    """One way to register a pair.

    Attributes:
        name: a row of the table.
        changes: of the preset's settings; REGULARITY_POINTS too.
        preset: that is changed.
        start: "from" the "encoder" (the default); from "scratch", fresh networks and a zero code, with the local
            code's "size"; or from "between" the codes of two pairs, at a "share" of the way to the next pair's.
        value: where on the picture's axis, for a variant that is a number.
        is_long: takes so long that it is run last, and on the first pair only.
    """

    name: str
    changes: Mapping[str, object] = field(default_factory=dict)
    preset: str = "balanced"
    start: Mapping[str, object] = field(default_factory=lambda: {"from": "encoder"})
    value: float | None = None
    is_long: bool = False


@dataclass(frozen=True)
class Study:
    """Variants that differ in one thing.

    Attributes:
        name: on the command line and in file names.
        title, question: head of its part of the document, and what it asks.
        variants: in the order of the table.
        axis: of the picture: "" where variants have names, a label where they are numbers, or a figure's name.
        is_logarithmic: the axis.
    """

    name: str
    title: str
    question: str
    variants: tuple[Variant, ...]
    axis: str = ""
    is_logarithmic: bool = False


def _numbers(setting: str, values: Iterable[float]) -> tuple[Variant, ...]:
    return tuple(Variant(f"{value:g}", {setting: value}, value=value) for value in values)


def _scratch(size: int, name: str = "pairwise from scratch") -> Variant:
    return Variant(name, {"network_learning_rate": _FRESH_RATE}, "accurate", {"from": "scratch", "size": size}, size)


_MODES = Study(
    "modes",
    "Encoder, code and networks",
    "The three ways to run the method, and the networks refined from the encoder's start. From scratch there is no "
    "encoder: fresh networks (seeded), a zero code, no matches to be guided by, a network rate of "
    f"{_FRESH_RATE:g}, otherwise the settings of `accurate`.",
    (
        Variant("encoder only", preset="fast"),
        Variant("latent only"),
        Variant("code and networks", preset="accurate"),
        _scratch(21),
    ),
)

_REGULARITY = Study(
    "regularity",
    "What keeps the maps regular",
    "`balanced` with gradient inverse consistency (and, with it, the round trip and the barrier against folds), with "
    "the diffusion regulariser (and the barrier) at three weights, and with none of these.",
    (
        Variant("gradient inverse consistency"),
        *(
            Variant(f"diffusion, weight {weight:g}", {"regularity": "diffusion", "regularity_weight": weight})
            for weight in (0.02, 0.2, 2.0)
        ),
        Variant("none", {"regularity": "none"}),
    ),
)

_SIMILARITY = Study(
    "similarity",
    "How the images are compared",
    "`balanced` with each kind of similarity, and without the soft tissue that the lungs enclose. The weights of the "
    "other terms are those made for `local_ncc`.",
    (
        *(Variant(kind, {"similarity": kind}) for kind in ("local_ncc", "ncc", "mind")),
        Variant("local_ncc, lungs alone", {"enclosed_tissue_weight": 0.0}),
    ),
)

_WEIGHT = Study(
    "weight",
    "Accuracy against smoothness",
    "`balanced` with the weight of gradient inverse consistency at sixteenths to sixteen times the preset's.",
    _numbers("regularity_weight", (_BALANCED.regularity_weight * 4.0**power for power in range(-2, 3))),
    axis="sd_log_j",
)

_INTERPOLATION = Study(
    "interpolation",
    "Between the codes of two pairs",
    "The codes of two pairs, both refined by `balanced`, are mixed, and the maps of the mixture looked at in the first "
    "pair's cubes (the paper's figure 5). There is no right answer but one: they must not fold.",
    tuple(
        Variant(f"{share:g} of the way", start={"from": "between", "share": share}, value=share)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ),
    axis="share of the way to the next pair's code",
)

_SEEDS = Study(
    "seeds",
    "Chance",
    "`balanced` with three seeds of its random points.",
    tuple(Variant(f"seed {seed}", {"seed": seed}) for seed in range(3)),
)

_SAMPLING = Study(
    "sampling",
    "Points of the similarity",
    "`balanced` with another share of the lung voxels (2 mm) read at each step (the paper's figure 2). Above "
    f"{_DENSE_RATIO:g} on one pair only.",
    tuple(
        Variant(f"{ratio:g}", {"similarity_sampling_ratio": ratio}, value=ratio, is_long=ratio > _DENSE_RATIO)
        for ratio in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    ),
    axis="share of the lung voxels",
    is_logarithmic=True,
)

_REGULARITY_SAMPLING = Study(
    "regularity-points",
    "Points of the regulariser",
    "`balanced` with another number of points, a step and direction, at which inverse consistency is asked and the "
    "barrier against folds acts (the paper's figure 3).",
    _numbers(REGULARITY_POINTS, (16, 64, 256, 1000, 5000)),
    axis="points",
    is_logarithmic=True,
)

_LATENT_SIZE = Study(
    "latent-size",
    "Size of the local code",
    "Pairwise from scratch, as above, with other numbers of samples along each side of the local code.",
    tuple(_scratch(size, f"{size}^3") for size in (5, 9, 13, 21)),
    axis="samples a side",
)

# In the order in which they are run and reported.
STUDIES = (
    _MODES,
    _REGULARITY,
    _SIMILARITY,
    _WEIGHT,
    _INTERPOLATION,
    _SEEDS,
    _SAMPLING,
    _REGULARITY_SAMPLING,
    _LATENT_SIZE,
)
