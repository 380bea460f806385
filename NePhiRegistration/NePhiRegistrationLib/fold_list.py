"""Folds of a map as places to look at: connected groups of folded voxels, the largest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """A connected group of folded voxels.

    Attributes:
        voxels: how many.
        worst_ijk: its voxel with the smallest determinant.
    """

    voxels: int
    worst_ijk: tuple[int, int, int]


def find_folds(folded: np.ndarray, determinant: np.ndarray) -> list[Fold]:
    """All groups, connected over faces, edges and corners.

    Args:
        folded: (K, J, I) bool.
        determinant: (K, J, I) det J, unitless.
    """
    import SimpleITK as sitk

    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(folded.astype(np.uint8)), True))
    voxels_kji = np.argwhere(folded)
    numbers = labels[folded]
    # The worst voxel of each group comes first.
    order = np.lexsort((determinant[folded], numbers))
    _, firsts, sizes = np.unique(numbers[order], return_index=True, return_counts=True)
    worst_kji = voxels_kji[order[firsts]]
    folds = [Fold(int(size), tuple(int(v) for v in kji[::-1])) for size, kji in zip(sizes, worst_kji)]
    return sorted(folds, key=lambda fold: (-fold.voxels, fold.worst_ijk))
