"""How good a transform file is, whoever wrote it: the same measure for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from NePhiCore.displacement_field import map_points
from NePhiCore.folds import fold_statistics
from NePhiCore.image_io import read_mask, read_volume
from NePhiCore.transform_io import read_displacement

from .cases import BenchmarkPair


def accuracy_of(transform: Path, pair: BenchmarkPair) -> dict[str, float]:
    """Landmark errors in mm, and folds in the fixed lungs in per cent of their voxels.

    Args:
        transform: fixed to moving, an ITK transform or a vector image, LPS mm.
    """
    field = read_displacement(transform)
    mapped = map_points(field, pair.fixed_landmarks)
    errors_mm = np.linalg.norm(mapped - pair.moving_landmarks, axis=1)
    fixed = read_volume(pair.fixed)
    folds = fold_statistics(field, read_mask(pair.fixed_lungs, fixed.geometry), fixed.geometry)
    return {
        "tre_mean_mm": float(errors_mm.mean()),
        "tre_median_mm": float(np.median(errors_mm)),
        "tre_p95_mm": float(np.percentile(errors_mm, 95)),
        "folds_percent": 100 * folds.fold_fraction_central,
    }
