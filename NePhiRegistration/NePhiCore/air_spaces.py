"""Which air in a chest CT is lung: not bowel gas, not the air around the patient.

Lungs are air spaces inside the body whose density varies, with vessels and toward
the back; gas is even, and outside air is open to the sides. Arrays are (S, A, R):
axes to the head, the front and the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .airways import find_airways
from .errors import InvalidVolumeError
from .morphology import Morphology, bounding_box

PADDING_HU = -1100.0  # nothing in a patient is below
LUNG_HU = -300.0  # the edge of lungs full of air, on the tissue side of half-way, where hand-drawn edges lie
_DENSE_LUNG_HU = -200.0  # the highest limit that keeps fat out
_TISSUE_HU = 50.0
_NECK_MM = 3.5  # air spaces joined by a passage up to twice this wide are told apart
_THREAD_MM = 2.5  # the same, where a passage is no sign of belonging together
_WALL_MM = 3.5
_PADDING_BELOW_HU, _PADDING_MM, _PADDING_ML = -950.0, 4.0, 20.0
_ENCLOSED_SHARE, _ENCLOSED_LIKE_THE_OTHER = 0.6, 0.7
_MINIMUM_LUNG_ML, _MINIMUM_LUNG_SHARE = 50.0, 0.1


@dataclass(frozen=True, eq=False)
class LungAir:
    """Air of the lungs.

    Attributes:
        mask: (S, A, R) bool, without the vessels.
        excluded: (S, A, R) bool, what cannot be lung: airways, gas, outside air, padding.
        upper_hu: lung is below this.
    """

    mask: np.ndarray
    excluded: np.ndarray
    upper_hu: float


def no_lungs(name: str, reason: str) -> InvalidVolumeError:
    option = f"--{name}-mask" if name in ("fixed", "moving") else "--fixed-mask or --moving-mask"
    return InvalidVolumeError(f"no lungs found in {name}: {reason}; give a mask with {option}.")


def find_lung_air(hu: np.ndarray, body: np.ndarray, grid: Morphology, name: str) -> LungAir:
    """Tell the air of the lungs from other air.

    Args:
        hu: (S, A, R) Hounsfield units, about 2 mm.
        body: (s, a, r) bool, tissue of the patient on every second voxel.
        grid: spacing of hu.
        name: what messages call the image.

    Raises:
        InvalidVolumeError: no air space looks like a lung.
    """
    excluded = grid.dilate(find_airways(hu, grid), _WALL_MM) | _find_padding(hu, grid)
    empty = (hu < LUNG_HU) & ~excluded
    # Of coarse voxels at least one: less would tell nothing apart.
    neck_mm = max(_NECK_MM, min(grid.spacing_mm))
    seeds = grid.label(grid.erode(empty, neck_mm), minimum_ml=0.3)
    joined = grid.label(grid.erode(empty, _THREAD_MM))
    lung_seeds, other_seeds = _sort_air_spaces(hu, seeds, joined, _enclosed_share(body, seeds), grid)
    if not lung_seeds.any():
        raise no_lungs(name, "no air space inside the body looks like one (is it a chest CT?)")
    densest_hu = np.percentile(hu[lung_seeds], 95)
    upper_hu = float(np.clip((densest_hu + _TISSUE_HU) / 2, LUNG_HU, _DENSE_LUNG_HU))
    air = hu < upper_hu
    excluded |= _nearer_to_other(air, other_seeds, lung_seeds, grid)
    mask = _components_with(grid.label(air & ~excluded), lung_seeds)
    return LungAir(mask, excluded, upper_hu)


def _find_padding(hu: np.ndarray, grid: Morphology) -> np.ndarray:
    """Large even regions of the commonest air on the faces of the image: outside the scanner's field of view."""
    faces = np.concatenate([np.take(hu, end, axis).ravel() for axis in range(3) for end in (0, -1)])
    values, counts = np.unique(faces[faces < _PADDING_BELOW_HU], return_counts=True)
    commonest = values[counts.argmax()] if values.size else PADDING_HU
    padding = (hu == commonest) | (hu <= PADDING_HU)
    if np.count_nonzero(padding) * grid.voxel_ml < _PADDING_ML:
        return np.zeros(hu.shape, bool)
    return grid.label(grid.open(padding, _PADDING_MM), minimum_ml=_PADDING_ML) > 0


def _sort_air_spaces(
    hu: np.ndarray, seeds: np.ndarray, joined: np.ndarray, enclosed: np.ndarray, grid: Morphology
) -> tuple[np.ndarray, np.ndarray]:
    """Seeds of the lungs and seeds of other air; pieces that may belong to a lung are neither.

    Args:
        hu, seeds, joined: (S, A, R); number of the air space of each voxel, told apart
            at wide passages (seeds) and only at narrow ones (joined).
        enclosed: (n,) share of the ways out that meet the body, by number of the seed.

    Returns:
        two (S, A, R) bool.
    """
    smooth_hu = _smooth(hu)
    seeds = seeds.astype(np.intp)  # the type of indices, with which tables are read in half the time
    middle, upper, top = _percentiles_by_label(smooth_hu, seeds, (50, 70, 95)).T
    is_even = (upper < -970) | (top < -930)
    sizes_ml = np.bincount(seeds.ravel(), minlength=1) * grid.voxel_ml
    is_even[0] = True
    is_large = sizes_ml >= _MINIMUM_LUNG_ML
    most_enclosed = enclosed[is_large & ~is_even].max(initial=0.0)
    could_be_lung = (enclosed > max(_ENCLOSED_SHARE, _ENCLOSED_LIKE_THE_OTHER * most_enclosed)) & ~is_even
    largest_ml = sizes_ml[could_be_lung].max(initial=0.0)
    is_lung = could_be_lung & is_large & (sizes_ml >= _MINIMUM_LUNG_SHARE * largest_ml)
    lung_seeds = is_lung[seeds]
    if not is_lung.any():
        return lung_seeds, seeds > 0
    # A pocket that hangs on to the lung by a thread and is emptier than it is gas seen through a thin wall.
    is_emptier = middle < np.median(smooth_hu[lung_seeds])
    is_pocket = (is_emptier & ~is_lung)[seeds] & ~_components_with(joined, lung_seeds)
    return lung_seeds, (seeds > 0) & (~could_be_lung[seeds] | is_pocket)


def _smooth(hu: np.ndarray) -> np.ndarray:
    """Mean over 3 x 3 x 3 voxels; at the border the outermost ones are repeated."""
    for axis in range(3):
        along = np.moveaxis(hu, axis, 0)
        longer = np.concatenate([along[:1], along, along[-1:]])
        hu = longer[:-2] + longer[1:-1]
        hu += longer[2:]
        hu /= 3
        hu = np.moveaxis(hu, 0, axis)
    return hu


def _nearer_to_other(air: np.ndarray, other_seeds: np.ndarray, lung_seeds: np.ndarray, grid: Morphology) -> np.ndarray:
    """(S, A, R) bool, the air around the seeds of other air up to its wall, where no seed of a lung is as near."""
    reach_mm = _NECK_MM + _WALL_MM
    near: np.ndarray = air & grid.dilate(other_seeds, reach_mm)
    disputed = near & grid.dilate(lung_seeds, reach_mm)
    if disputed.any():
        margins = [int(reach_mm / step) for step in grid.spacing_mm]
        box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(bounding_box(disputed), margins))
        is_lungs = grid.distance_to(lung_seeds[box]) <= grid.distance_to(other_seeds[box])
        near[box] &= ~(disputed[box] & is_lungs)
    return near


def _percentiles_by_label(values: np.ndarray, labels: np.ndarray, percents: tuple[float, ...]) -> np.ndarray:
    """(n + 1, len(percents)) by label; row 0, the background, is 0."""
    inside = labels > 0
    numbers = labels[inside].astype(np.min_scalar_type(labels.max()))  # few numbers in short types are sorted faster
    groups = np.split(values[inside][np.argsort(numbers, kind="stable")], np.cumsum(np.bincount(numbers))[:-1])
    return np.array([np.percentile(group, percents) if group.size else np.zeros(len(percents)) for group in groups])


def _enclosed_share(body: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """(n + 1,) how often the ways out of an air space meet the body before the image ends.

    The ways are right, left, front and back, or these with up and down where that is
    more: the image may cut the lungs above and below, or at the sides.
    """
    met = np.zeros(body.shape, np.uint8)  # on the two ways along each axis, as the digits of a number
    for axis in range(3):
        before = np.logical_or.accumulate(body, axis)
        after = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis), axis)
        met = 3 * met + before + after
    for axis, size in enumerate(seeds.shape):
        met = met.repeat(2, axis)[(slice(None),) * axis + (slice(size),)]
    inside = seeds > 0
    joint = np.bincount(27 * seeds[inside].astype(np.intp) + met[inside], minlength=27 * (int(seeds.max()) + 1))
    joint = joint.reshape(-1, 3, 3, 3)
    ways = np.maximum(2 * joint.sum((1, 2, 3)), 1)
    up_down, front_back, right_left = (joint.sum(others) @ np.arange(3) / ways for others in ((2, 3), (1, 3), (1, 2)))
    level = (front_back + right_left) / 2
    share: np.ndarray = np.maximum(level, (2 * level + up_down) / 3)
    return share


def _components_with(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The labelled components that hold a voxel of the mask."""
    is_held = np.bincount(labels[mask], minlength=int(labels.max()) + 1) > 0
    is_held[0] = False
    held: np.ndarray = is_held[labels]
    return held
