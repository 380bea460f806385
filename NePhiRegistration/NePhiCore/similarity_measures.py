"""How alike two images on one grid are inside a mask: figures for the report, not losses."""

from __future__ import annotations

import numpy as np
import torch

from .axis_products import along_axes

# Below 1 HU of deviation an image has no structure to compare.
_SMALLEST_DEVIATION_HU = 1.0
_SLICES_AT_ONCE = 32


def similarity_ncc(fixed_hu: np.ndarray, warped_hu: np.ndarray, mask: np.ndarray) -> float:
    """Normalised cross-correlation of two (K, J, I) images over a mask, [-1, 1]; 0 where either is constant."""
    a, b = (np.asarray(image[mask], np.float64) for image in (fixed_hu, warped_hu))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def mean_absolute_difference(fixed_hu: np.ndarray, warped_hu: np.ndarray, mask: np.ndarray) -> float:
    """Mean of |fixed - warped| over a mask, HU."""
    return float(np.abs(fixed_hu[mask].astype(np.float32) - warped_hu[mask]).mean(dtype=np.float64))


def local_ncc(
    fixed_hu: np.ndarray, warped_hu: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray, window_mm: float
) -> float:
    """Mean over a mask of the normalised cross-correlation in a box around each voxel, [-1, 1].

    Only voxels of the mask count in a box, so that the chest wall does not decide; a box in which
    an image is constant counts as 0.

    Args:
        fixed_hu, warped_hu: (K, J, I) HU.
        mask: (K, J, I) bool, not empty.
        spacing_mm: (3,) along i, j, k.
        window_mm: edge of the box; at least 3 voxels are used along each axis.
    """
    radii = np.maximum(1, np.rint((window_mm / np.asarray(spacing_mm)[::-1] - 1) / 2)).astype(int)
    total = 0.0
    for start in range(0, mask.shape[0], _SLICES_AT_ONCE):
        stop = min(start + _SLICES_AT_ONCE, mask.shape[0])
        wide = slice(max(start - radii[0], 0), stop + radii[0])
        values = _local_ncc_map(fixed_hu[wide], warped_hu[wide], mask[wide], radii)
        inner = slice(start - wide.start, stop - wide.start)
        total += float(values[inner][mask[start:stop]].sum(dtype=np.float64))
    return total / int(mask.sum())


def _local_ncc_map(fixed_hu: np.ndarray, warped_hu: np.ndarray, mask: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(K, J, I) float32 NCC of the mask's voxels in the box around each voxel."""
    weight = mask.astype(np.float32)
    # Centred first, so that the sums of squares keep their digits in float32.
    a, b = (weight * (image - np.float32(image[mask].mean() if mask.any() else 0)) for image in (fixed_hu, warped_hu))
    count, a1, b1, aa, bb, ab = _box_sums(np.stack([weight, a, b, a * a, b * b, a * b]), radii)
    count = np.maximum(count, 1)
    a1, b1, aa, bb, ab = (channel / count for channel in (a1, b1, aa, bb, ab))
    variance_a, variance_b, covariance = aa - a1 * a1, bb - b1 * b1, ab - a1 * b1
    has_structure = np.minimum(variance_a, variance_b) > _SMALLEST_DEVIATION_HU**2
    product = np.maximum(variance_a * variance_b, _SMALLEST_DEVIATION_HU**4)
    correlation: np.ndarray = np.where(has_structure, covariance / np.sqrt(product), np.float32(0))
    return correlation


def _box_sums(channels: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(C, K, J, I) -> sums over boxes of 2 r + 1 voxels, zeros outside the array."""
    values = torch.from_numpy(channels)[None]
    places = (torch.arange(size) for size in channels.shape[1:])
    boxes = [((p[:, None] - p).abs() <= radius).to(values.dtype) for p, radius in zip(places, radii.tolist())]
    sums: np.ndarray = along_axes(values, boxes)[0].numpy()
    return sums
