"""Trachea and main bronchi of a chest CT, so that lung masks can leave them out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from .morphology import Morphology, bounding_box, dilate_by_ball, label_components

_LUMEN_HU = -700.0  # edge of a tube of air in soft tissue, a little on the air side of half-way
_AIR_HU = -900.0  # the middle of a trachea is below
_TISSUE_HU = -500.0
_AREA_MM2 = (50.0, 900.0)
_LENGTH_MM = 25.0  # shorter chains of round sections also occur in lungs and bowel
_REACH_MM = 60.0  # the left main bronchus is about 50 mm long
_GAS_ABOVE_LUMEN_HU = 120.0
_BURST = 2.0


@dataclass(frozen=True)
class _Section:
    """A round patch of air in one slice."""

    k: int
    rows: np.ndarray
    columns: np.ndarray
    area_mm2: float
    centre_mm: np.ndarray


@dataclass
class _Tube:
    """Sections that follow each other from slice to slice, downward."""

    sections: list[_Section] = field(default_factory=list)

    def is_continued_by(self, section: _Section, step_mm: float) -> bool:
        last = self.sections[-1]
        shift_mm = float(np.linalg.norm(section.centre_mm - last.centre_mm))
        return section.k == last.k - 1 and 0.5 < section.area_mm2 / last.area_mm2 < 2.0 and shift_mm < 3.0 + step_mm


def find_airways(hu: np.ndarray, grid: Morphology) -> np.ndarray:
    """Lumen of the trachea and the main bronchi, as far as their walls are seen.

    The trachea is a long round tube of air with soft tissue around it. From there a
    front moves on through the gas and stops where it bursts into the lung. Tubes of
    gas elsewhere (oesophagus, bowel) may come along: they are no lung either.

    Args:
        hu: (S, A, R) Hounsfield units, about 2 mm; the first axis points to the head.
        grid: spacing of that array.

    Returns:
        (S, A, R) bool; empty where no trachea is in the field of view.
    """
    airways = np.zeros(hu.shape, bool)
    for tube in _find_tubes(hu, grid):
        airways |= _grow(hu, tube, grid)
    return airways


def _find_tubes(hu: np.ndarray, grid: Morphology) -> list[_Tube]:
    step_mm, pixel_mm = grid.spacing_mm[0], np.array(grid.spacing_mm[1:])
    labels = _label_slices(hu < _LUMEN_HU)
    areas_mm2 = np.bincount(labels.ravel()) * pixel_mm.prod()
    areas_mm2[0] = 0.0
    tubes: list[_Tube] = []
    for k in range(hu.shape[0] - 1, -1, -1):
        for section in _round_sections(hu[k], k, labels[k], areas_mm2, pixel_mm):
            tube = next((t for t in tubes if t.is_continued_by(section, step_mm)), None)
            if tube is None:
                tube = _Tube()
                tubes.append(tube)
            tube.sections.append(section)
    return [tube for tube in tubes if len(tube.sections) * step_mm >= _LENGTH_MM]


def _label_slices(air: np.ndarray) -> np.ndarray:
    """(S, A, R) number of the connected component of each voxel within its slice, larger ones first; 0 outside.

    All slices in one call, as one tall picture with an empty row between them: a call a slice takes several times as
    long.
    """
    slices, rows, columns = air.shape
    apart = np.zeros((slices, rows + 1, columns), bool)
    apart[:, :rows] = air
    labels: np.ndarray = label_components(apart.reshape(-1, columns)).reshape(apart.shape)
    return labels[:, :rows]


def _round_sections(
    hu_slice: np.ndarray, k: int, labels: np.ndarray, areas_mm2: np.ndarray, pixel_mm: np.ndarray
) -> Iterator[_Section]:
    """Patches of air of a trachea's size, no more than three times as long as wide, with soft tissue around them.

    Args:
        hu_slice, labels: (A, R) slice k, and which patch of air each of its voxels belongs to.
        areas_mm2: (n + 1,) by label.
    """
    is_in_size = (areas_mm2 >= _AREA_MM2[0]) & (areas_mm2 <= _AREA_MM2[1])
    for n in np.unique(labels[is_in_size[labels]]):
        rows, columns = np.divmod(np.flatnonzero(labels == n), labels.shape[1])
        points_mm = np.stack([rows, columns], -1) * pixel_mm
        centre_mm = points_mm.mean(0)
        is_hollow = hu_slice[rows, columns].min() < _AIR_HU
        if (
            is_hollow
            and _is_round(points_mm - centre_mm, pixel_mm)
            and _tissue_share(hu_slice, rows, columns, pixel_mm) > 0.5
        ):
            yield _Section(k, rows, columns, float(areas_mm2[n]), centre_mm)


def _is_round(offsets_mm: np.ndarray, pixel_mm: np.ndarray) -> bool:
    """Whether a patch, given by the offsets (N, 2) of its pixels from its centre, is no three times as long as wide."""
    covariance_mm2 = offsets_mm.T @ offsets_mm / len(offsets_mm) + np.diag(pixel_mm**2 / 12)
    narrow_mm2, long_mm2 = np.linalg.eigvalsh(covariance_mm2)
    return bool(long_mm2 < 9 * narrow_mm2)


def _tissue_share(hu_slice: np.ndarray, rows: np.ndarray, columns: np.ndarray, pixel_mm: np.ndarray) -> float:
    """Share of soft tissue in the ring from about 2 to 5 mm around a patch."""
    inner, outer = (np.maximum(1, np.round(mm / pixel_mm)).astype(int) for mm in (2.0, 5.0))
    first = np.maximum([rows.min(), columns.min()] - outer, 0)
    last = [rows.max(), columns.max()] + outer + 1
    window = hu_slice[first[0] : last[0], first[1] : last[1]]
    patch = np.zeros(window.shape, bool)
    patch[rows - first[0], columns - first[1]] = True
    ring = dilate_by_ball(patch, outer) & ~dilate_by_ball(patch, inner)
    return float(np.mean(window[ring] > _TISSUE_HU)) if ring.any() else 0.0


def _grow(hu: np.ndarray, tube: _Tube, grid: Morphology) -> np.ndarray:
    """The tube and the gas that a front from it reaches before the front grows wider than two tracheas."""
    lumen = np.zeros(hu.shape, bool)
    for section in tube.sections:
        lumen[section.k, section.rows, section.columns] = True
    near = _within_reach(lumen, grid)
    gas = (hu[near] < np.median(hu[lumen]) + _GAS_ABOVE_LUMEN_HU) | lumen[near]
    arrival_mm = _distance_through(gas, lumen[near], grid)
    is_new = (arrival_mm < _REACH_MM) & ~lumen[near]
    step_mm = max(grid.spacing_mm)
    shells = (arrival_mm[is_new] / step_mm).astype(int)
    widths_mm2 = np.bincount(shells, minlength=1) * grid.voxel_ml * 1000.0 / step_mm
    bursts = np.flatnonzero(widths_mm2 > _BURST * np.median([section.area_mm2 for section in tube.sections]))
    # The shell before a burst has already left the bronchus.
    last_mm = (bursts[0] - 1) * step_mm if bursts.size else _REACH_MM
    lumen[near] |= is_new & (arrival_mm < last_mm)
    return lumen


def _within_reach(lumen: np.ndarray, grid: Morphology) -> tuple[slice, ...]:
    """The box around a tube that a front from it does not leave."""
    margins = [int(_REACH_MM / step) + 2 for step in grid.spacing_mm]
    return tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(bounding_box(lumen), margins))


def _distance_through(gas: np.ndarray, start: np.ndarray, grid: Morphology) -> np.ndarray:
    """(S, A, R) mm from the start along ways that stay in the gas; huge beyond the reach."""
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints(np.argwhere(start)[:, ::-1].tolist())
    march.SetStoppingValue(_REACH_MM)
    return sitk.GetArrayFromImage(march.Execute(grid.image(gas.astype(np.float32))))
