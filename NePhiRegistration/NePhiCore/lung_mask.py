"""Lungs of a chest CT from its Hounsfield units alone.

What is lung is decided on a shrunk copy (about 2 mm) turned to the patient's axes;
only the edge is drawn on the image's own voxels. That keeps a 512 x 512 x 600
image to seconds and its memory to little more than the image and the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import permutations

import numpy as np

from .air_spaces import LUNG_HU, PADDING_HU, LungAir, find_lung_air, no_lungs
from .errors import InvalidVolumeError
from .geometry import ImageGeometry
from .morphology import Morphology, add_layer, bounding_box, label_components
from .volume import Volume, check_volume

_COARSE_MM = 2.0
_MARGIN_MM = 10.0
_VESSEL_MM = 7.0  # vessels up to twice this thick belong to the lung that they run in


def find_lungs(volume: Volume) -> np.ndarray:
    """The lungs, vessels inside them included, trachea and main bronchi left out.

    Args:
        volume: chest CT, any orientation and spacing; its field of view may cut the lungs.

    Returns:
        (K, J, I) bool on the volume's own grid.

    Raises:
        InvalidVolumeError: the voxels are not Hounsfield units, or show no lungs.
    """
    check_volume(volume)
    _check_hounsfield(volume)
    coarse = _CoarseGrid.of(volume.geometry)
    hu = coarse.to_patient(_shrink(volume.hu, coarse.factors_kji))
    body, box = _find_body(hu, coarse.morphology, volume.name)
    air = find_lung_air(hu[box], body, coarse.morphology, volume.name)
    sure_and_possible = np.zeros((2, *hu.shape), bool)
    for_both = (slice(None), *box)
    sure_and_possible[for_both] = _edge_zone(air, _fill_vessels(air, coarse.morphology))
    sure, possible = map(coarse.to_image, sure_and_possible)
    return _draw_edge(volume.hu, coarse.factors_kji, sure, possible, air.upper_hu)


@dataclass(frozen=True)
class _CoarseGrid:
    """How the shrunk copy along the patient's axes lies in the image.

    Attributes:
        factors_kji: image voxels per coarse voxel.
        order: the image's array axes that follow superior, anterior, right best.
        flips: which of these are reversed to point that way.
        morphology: spacing in the order (S, A, R).
    """

    factors_kji: tuple[int, ...]
    order: tuple[int, ...]
    flips: tuple[int, ...]
    morphology: Morphology

    @classmethod
    def of(cls, geometry: ImageGeometry) -> _CoarseGrid:
        sar_from_kji = geometry.direction[::-1, ::-1]
        order = max(permutations(range(3)), key=lambda p: sum(abs(sar_from_kji[row, p[row]]) for row in range(3)))
        flips = tuple(row for row in range(3) if sar_from_kji[row, order[row]] < 0)
        spacing_kji = geometry.spacing_mm[::-1]
        factors = tuple(max(1, round(_COARSE_MM / step)) for step in spacing_kji)
        s, a, r = (float(spacing_kji[axis] * factors[axis]) for axis in order)
        return cls(factors, order, flips, Morphology((s, a, r)))

    def to_patient(self, array_kji: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(array_kji.transpose(self.order), self.flips))

    def to_image(self, array_sar: np.ndarray) -> np.ndarray:
        array_kji: np.ndarray = np.flip(array_sar, self.flips).transpose(np.argsort(self.order))
        return array_kji


def _check_hounsfield(volume: Volume) -> None:
    """Raise InvalidVolumeError unless some voxels are as light as lung; padding far below says nothing."""
    name, stride = volume.name, max(1, round((volume.hu.size / 2e6) ** (1 / 3)))
    values = volume.hu[::stride, ::stride, ::stride]
    low, high = float(volume.hu.min()), float(volume.hu.max())
    got = f"its values run from {low:g} to {high:g}"
    not_hu = f"no lungs found in {name}: {got} and are not Hounsfield units (air -1000, water 0)."
    if low > -2 and high < 256:
        raise InvalidVolumeError(f"{not_hu} It looks rescaled to grey values; use the original CT.")
    if np.mean((values > PADDING_HU) & (values < LUNG_HU)) > 1e-3:
        return
    if np.mean((values > 850) & (values < 1250)) > 0.05:
        raise InvalidVolumeError(f"{not_hu} It looks stored with an offset of 1024; subtract 1024 first.")
    raise no_lungs(name, f"{got}, hardly one is between {PADDING_HU:g} and {LUNG_HU:g} HU, where lung is")


def _shrink(hu: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Mean of blocks of voxels, float32, padding raised to -1100; a slab at a time, to keep memory small."""
    step, rows, columns = factors
    margin = ((0, -hu.shape[1] % rows), (0, -hu.shape[2] % columns))
    slabs = []
    for k in range(0, hu.shape[0], step):
        slab = np.pad(np.maximum(hu[k : k + step].astype(np.float32), PADDING_HU).mean(0), margin, mode="edge")
        parts = [slab[row::rows, column::columns] for row in range(rows) for column in range(columns)]
        slabs.append(reduce(np.add, parts) / len(parts))
    return np.stack(slabs)


def _find_body(hu: np.ndarray, grid: Morphology, name: str) -> tuple[np.ndarray, tuple[slice, ...]]:
    """The larger pieces of tissue on every second voxel, cropped, and the box on all voxels that they were cropped to.

    At twice the voxel size tubes, blankets and the shell of the table fade.

    Raises:
        InvalidVolumeError: there is no tissue at all.
    """
    pieces = label_components(_shrink(hu, (2, 2, 2)) > LUNG_HU)
    sizes = np.bincount(pieces.ravel())[1:]
    if not sizes.size:
        raise no_lungs(name, "there is no body in the image")
    body = (pieces > 0) & (pieces <= np.count_nonzero(sizes >= 0.1 * sizes[0]))
    margins = [int(np.ceil(_MARGIN_MM / (2 * step))) for step in grid.spacing_mm]
    box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(bounding_box(body), margins))
    return body[box], tuple(slice(2 * side.start, 2 * side.stop) for side in box)


def _fill_vessels(air: LungAir, grid: Morphology) -> np.ndarray:
    """Close each lung by itself, so that the mediastinum between two of them stays out."""
    labels = grid.label(air.mask)
    lungs = np.zeros(labels.shape, bool)
    for n in range(1, int(labels.max()) + 1):
        lungs |= grid.close(labels == n, _VESSEL_MM)
    lungs &= ~air.excluded
    return lungs


def _edge_zone(air: LungAir, lungs: np.ndarray) -> np.ndarray:
    """(2, S, A, R) bool: where lung is sure, and where it is possible, a layer further on both sides of the edge.

    Filled vessels are sure: no threshold would find them.
    """
    sure = ~add_layer(~lungs) | (lungs & ~air.mask)
    return np.stack([sure, add_layer(lungs) & ~air.excluded])


def _draw_edge(
    hu: np.ndarray, factors_kji: tuple[int, ...], sure: np.ndarray, possible: np.ndarray, upper_hu: float
) -> np.ndarray:
    """(K, J, I) bool from masks (k, j, i) that are smaller by the factors, slab by slab."""
    step, rows, columns = factors_kji
    lungs = np.zeros(hu.shape, bool)
    for k in np.flatnonzero(possible.any(axis=(1, 2))):
        slab = slice(k * step, (k + 1) * step)
        here, maybe = (m[k].repeat(rows, 0).repeat(columns, 1)[: hu.shape[1], : hu.shape[2]] for m in (sure, possible))
        lungs[slab] = here | (maybe & (hu[slab] < upper_hu))
    return lungs
