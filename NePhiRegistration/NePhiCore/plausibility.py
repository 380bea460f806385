"""Figures that tell what cannot be right: how far the lungs move, whether they are cut, what their masks mark."""

from __future__ import annotations

import numpy as np

from .displacement_field import DisplacementField, map_points
from .volume import Volume
from .voxel_views import box_of, mask_points_ras_mm

_MOTION_POINTS = 50_000
# Lungs of any breathing state and most of their vessels are lighter, the tissue around them is denser.
_LIGHT_HU = -300
_PADDING_HU = -1200  # lower than any tissue or air: outside the circle of the scan


def plausibility_report(
    fixed: Volume,
    moving: Volume,
    fixed_to_moving: DisplacementField,
    fixed_mask: np.ndarray,
    moving_mask: np.ndarray,
) -> dict[str, dict[str, float]]:
    """Figures for JSON; the key names are stable.

    Args:
        fixed, moving: images, HU.
        fixed_to_moving: displacement field on any grid.
        fixed_mask, moving_mask: (K, J, I) bool, lungs on the grids of the images, not empty.

    Returns:
        "motion_mm" of the fixed lungs: "offset", the length of their mean displacement, and "mean", "p95", "max" of
        what each part of them moves beside it; "lungs_cut_cm2": area in which the lungs of "fixed" and "moving" touch
        the end of their image; "light_share": share of each mask that is as light as lung.
    """
    sides = {"fixed": (fixed, np.asarray(fixed_mask) > 0), "moving": (moving, np.asarray(moving_mask) > 0)}
    return {
        "motion_mm": _motion(fixed_to_moving, mask_points_ras_mm(sides["fixed"][1], fixed.geometry, _MOTION_POINTS)),
        "lungs_cut_cm2": {side: _cut_area_cm2(*of) for side, of in sides.items()},
        "light_share": {
            side: np.count_nonzero(volume.hu[mask] < _LIGHT_HU) / np.count_nonzero(mask)
            for side, (volume, mask) in sides.items()
        },
    }


def _motion(fixed_to_moving: DisplacementField, points_ras_mm: np.ndarray) -> dict[str, float]:
    displacement = map_points(fixed_to_moving, points_ras_mm) - points_ras_mm
    offset = displacement.mean(0)
    beside = np.linalg.norm(displacement - offset, axis=1)
    figures = np.linalg.norm(offset), beside.mean(), np.percentile(beside, 95), beside.max()
    return dict(zip(("offset", "mean", "p95", "max"), map(float, figures)))


def _cut_area_cm2(volume: Volume, mask: np.ndarray) -> float:
    """Area of the faces of lung voxels behind which the image ends, or is padded."""
    around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box_of(mask))
    padded, area_mm2 = volume.hu[around] < _PADDING_HU, 0.0
    is_padded = bool(padded.any())
    spacing_kji = np.asarray(volume.geometry.spacing_mm, float)[::-1]
    for axis in range(3):
        at_end = sum(np.count_nonzero(mask.take(end, axis)) for end in (0, -1))
        at_padding = 0
        if is_padded:
            lungs, outside = (np.moveaxis(array, axis, 0) for array in (mask[around], padded))
            at_padding = np.count_nonzero(lungs[1:] & outside[:-1]) + np.count_nonzero(lungs[:-1] & outside[1:])
        area_mm2 += (at_end + at_padding) * float(np.delete(spacing_kji, axis).prod())
    return area_mm2 / 100
