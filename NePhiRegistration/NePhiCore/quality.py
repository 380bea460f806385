"""How good a registration is, in numbers: the report that ends every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .displacement_field import (
    DisplacementField,
    identity_field,
    inverse_consistency_mm,
    map_points,
    warp_mask,
    warp_volume,
)
from .errors import InvalidLandmarksError, InvalidVolumeError
from .folds import fold_statistics
from .geometry import ImageGeometry, transform_points
from .side_by_side import at_once
from .similarity_measures import local_ncc, mean_absolute_difference, similarity_ncc
from .volume import Volume
from .voxel_views import box_of, mask_points_ras_mm, thinned_view, viewed_geometry

# Similarity takes every voxel of a 2 mm image and every second one of a 0.7 mm image; overlap needs fewer.
_SIMILARITY_SPACING_MM = 1.5
_OVERLAP_SPACING_MM = 3.0
# Folds take every voxel of a CT of 0.7 mm, every second of one of half a millimetre: a map on a grid of millimetres
# has nothing finer in it, and on its own grid it is looked at whole.
_FOLDS_SPACING_MM = 1.0
_INVERSE_CONSISTENCY_POINTS = 100_000
_LOCAL_WINDOW_MM = 12.0


@dataclass(frozen=True)
class DistanceStatistics:
    """Distances in mm: mean, median, (population) standard deviation, 95th percentile, maximum."""

    mean: float
    median: float
    std: float
    p95: float
    max: float

    @classmethod
    def of(cls, distances_mm: np.ndarray) -> DistanceStatistics:
        d = np.asarray(distances_mm, np.float64)
        return cls(*(float(v) for v in (d.mean(), np.median(d), d.std(), np.percentile(d, 95), d.max())))


@dataclass(frozen=True)
class TreStatistics:
    """Target registration error at ``landmarks`` pairs, sub-voxel (no snapping to voxel centres), mm."""

    landmarks: int
    before: DistanceStatistics
    after: DistanceStatistics


def target_registration_error(
    fixed_to_moving: DisplacementField | Callable[[np.ndarray], np.ndarray],
    fixed_landmarks: np.ndarray,
    moving_landmarks: np.ndarray,
) -> TreStatistics:
    """Distance of the mapped fixed landmarks from the moving ones, before and after registration.

    Args:
        fixed_to_moving: displacement field, or a function (N, 3) -> (N, 3) RAS mm.
        fixed_landmarks, moving_landmarks: (N, 3) RAS mm, in the same order.

    Raises:
        InvalidLandmarksError: lists that are empty, or of other shapes than (N, 3).
    """
    fixed, moving = (np.asarray(p, np.float64) for p in (fixed_landmarks, moving_landmarks))
    if fixed.shape != moving.shape or fixed.ndim != 2 or fixed.shape[1] != 3 or len(fixed) == 0:
        raise InvalidLandmarksError(
            f"Landmarks must be two lists of equally many points (N, 3), got {fixed.shape} fixed and "
            f"{moving.shape} moving. Give both files with the same landmarks in the same order."
        )
    if isinstance(fixed_to_moving, DisplacementField):
        mapped = map_points(fixed_to_moving, fixed)
    else:
        mapped = np.asarray(fixed_to_moving(fixed))
    before, after = (DistanceStatistics.of(np.linalg.norm(p - moving, axis=1)) for p in (fixed, mapped))
    return TreStatistics(len(fixed), before, after)


def snapped_registration_error(
    fixed_to_moving: DisplacementField, fixed_landmarks: np.ndarray, moving_landmarks: np.ndarray, moving: ImageGeometry
) -> DistanceStatistics:
    """The error as DIR-Lab counts it: mapped landmarks are first moved to the centre of the nearest moving voxel.

    Landmarks that were placed on voxel centres then have no error below half a voxel along each axis.

    Args:
        fixed_to_moving: displacement field.
        fixed_landmarks, moving_landmarks: (N, 3) RAS mm, in the same order; the moving ones stay where they are.
        moving: grid of the moving image.
    """
    mapped_ijk = transform_points(moving.ras_to_ijk, map_points(fixed_to_moving, fixed_landmarks))
    snapped_ras_mm = transform_points(moving.ijk_to_ras, np.rint(mapped_ijk))
    return DistanceStatistics.of(np.linalg.norm(snapped_ras_mm - moving_landmarks, axis=1))


def quality_report(
    fixed: Volume,
    moving: Volume,
    fixed_to_moving: DisplacementField,
    moving_to_fixed: DisplacementField,
    fixed_mask: np.ndarray,
    moving_mask: np.ndarray,
    fixed_landmarks: np.ndarray | None = None,
    moving_landmarks: np.ndarray | None = None,
) -> dict[str, Any]:
    """All figures of a registration, ready for JSON; the key names are stable.

    Args:
        fixed, moving: images, HU.
        fixed_to_moving, moving_to_fixed: displacement fields on any grid.
        fixed_mask, moving_mask: (K, J, I) lungs on the grids of the images.
        fixed_landmarks, moving_landmarks: (N, 3) RAS mm, or both None.

    Returns:
        "similarity" over the fixed lungs; "jacobian" over the fixed lungs, on the fixed grid (of voxels of half a
        millimetre and less, every n-th); "jacobian_everywhere" over the whole grid of fixed_to_moving;
        "jacobian_inverse" of moving_to_fixed over the moving lungs;
        "inverse_consistency_mm" over the fixed lungs; "lung_volume_litres"; "lung_overlap_dice"; and
        "tre_mm" only where landmarks are given.

    Raises:
        InvalidVolumeError: a mask that is empty or on another grid than its image.
        InvalidLandmarksError: landmark lists that do not belong together.
    """
    fixed_mask, moving_mask = (_checked(m, v) for m, v in ((fixed_mask, fixed), (moving_mask, moving)))
    both, lungs = (fixed_to_moving, moving_to_fixed), (fixed_mask, moving_mask)
    compared = _thinned(fixed, fixed_mask)
    before, after, *figures = at_once(  # what takes longest comes first
        lambda: _similarity(*compared, moving, identity_field()),
        lambda: _similarity(*compared, moving, fixed_to_moving),
        lambda: _folds(fixed_to_moving, fixed_mask, fixed.geometry),
        lambda: fold_statistics(fixed_to_moving).as_dict(),
        lambda: _folds(moving_to_fixed, moving_mask, moving.geometry),
        lambda: _inverse_consistency(*both, fixed_mask, fixed.geometry),
        lambda: _lung_overlap(fixed, moving, fixed_to_moving, *lungs),
    )
    names = "jacobian", "jacobian_everywhere", "jacobian_inverse", "inverse_consistency_mm", "lung_overlap_dice"
    report: dict[str, object] = {"similarity": {"before": before, "after": after}, **dict(zip(names, figures))}
    report["lung_volume_litres"] = {
        "fixed": _litres(fixed_mask, fixed.geometry),
        "moving": _litres(moving_mask, moving.geometry),
    }
    if fixed_landmarks is not None or moving_landmarks is not None:
        given = (np.zeros((0, 3)) if points is None else points for points in (fixed_landmarks, moving_landmarks))
        tre = target_registration_error(fixed_to_moving, *given)
        report["tre_mm"] = dataclasses.asdict(tre)
    return report


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Overlap of two boolean masks of the same shape, 2 |a and b| / (|a| + |b|); 0 where both are empty."""
    return float(2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))


def _thinned(image: Volume, mask: np.ndarray) -> tuple[Volume, np.ndarray]:
    """The image and its mask around the mask, fine voxels thinned."""
    view = thinned_view(image.geometry, _SIMILARITY_SPACING_MM, box_of(mask))
    if not mask[view].any():
        return image, mask
    return Volume(image.hu[view], viewed_geometry(image.geometry, view), image.name), mask[view]


def _similarity(fixed: Volume, lungs: np.ndarray, moving: Volume, field: DisplacementField) -> dict[str, float]:
    """Similarity over the fixed lungs; the field of no motion compares the same places in the patient."""
    warped = warp_volume(moving, field, fixed.geometry)
    return {
        "ncc": similarity_ncc(fixed.hu, warped, lungs),
        "local_ncc": local_ncc(fixed.hu, warped, lungs, fixed.geometry.spacing_mm, _LOCAL_WINDOW_MM),
        "mean_absolute_difference_hu": mean_absolute_difference(fixed.hu, warped, lungs),
    }


def _folds(field: DisplacementField, mask: np.ndarray, geometry: ImageGeometry) -> dict[str, float]:
    view = thinned_view(geometry, _FOLDS_SPACING_MM)
    if mask[view].any():
        geometry, mask = viewed_geometry(geometry, view), mask[view]
    return fold_statistics(field, mask, geometry).as_dict()


def _inverse_consistency(
    fixed_to_moving: DisplacementField, moving_to_fixed: DisplacementField, mask: np.ndarray, geometry: ImageGeometry
) -> dict[str, float]:
    points_ras_mm = mask_points_ras_mm(mask, geometry, _INVERSE_CONSISTENCY_POINTS)
    returned = DistanceStatistics.of(inverse_consistency_mm(fixed_to_moving, moving_to_fixed, points_ras_mm))
    return {"mean": returned.mean, "p95": returned.p95, "max": returned.max}


def _lung_overlap(
    fixed: Volume, moving: Volume, field: DisplacementField, fixed_mask: np.ndarray, moving_mask: np.ndarray
) -> dict[str, float]:
    """Dice of the fixed lungs and the warped moving lungs, over the whole fixed grid."""
    view = thinned_view(fixed.geometry, _OVERLAP_SPACING_MM)
    geometry = viewed_geometry(fixed.geometry, view)
    warps = {"before": identity_field(), "after": field}
    return {
        when: dice(fixed_mask[view], warp_mask(moving_mask, moving.geometry, warp, geometry))
        for when, warp in warps.items()
    }


def _checked(mask: np.ndarray, volume: Volume) -> np.ndarray:
    mask = np.asarray(mask) > 0
    if mask.shape != volume.geometry.shape_kji:
        raise InvalidVolumeError(
            f"{volume.name}: the lung mask has shape {mask.shape}, the image {volume.geometry.shape_kji}; "
            "they must be on the same grid."
        )
    if not mask.any():
        raise InvalidVolumeError(f"{volume.name}: the lung mask is empty; give a mask that marks the lungs.")
    return mask


def _litres(mask: np.ndarray, geometry: ImageGeometry) -> float:
    return float(np.count_nonzero(mask) * geometry.voxel_volume_mm3 * 1e-6)
