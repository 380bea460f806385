"""Figures over a region of the lungs, gathered part by part so that memory stays bounded."""

from __future__ import annotations

import numpy as np

from .lung_function_names import PRM_CLASSES
from .ventilation import HIGHEST, LOWEST

_BINS = 5000  # of 0.002: the median is that exact


class Spread:
    """Weighted mean, median and standard deviation of values between LOWEST and HIGHEST."""

    def __init__(self) -> None:
        self._weight = self._sum = self._sum_of_squares = 0.0
        self._histogram = np.zeros(_BINS)

    def add(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Values (N,) and their weights (N,)."""
        values, weights = values.astype(np.float64), weights.astype(np.float64)
        self._weight += weights.sum()
        self._sum += weights @ values
        self._sum_of_squares += weights @ values**2
        self._histogram += np.histogram(values, _BINS, (LOWEST, HIGHEST), weights=weights)[0]

    def figures(self) -> dict[str, float | None]:
        """ "mean", "median" and "sd"; None where nothing was added."""
        if not self._weight:
            return dict.fromkeys(("mean", "median", "sd"))
        mean = self._sum / self._weight
        variance = max(self._sum_of_squares / self._weight - mean**2, 0.0)
        half = np.interp(self._weight / 2, np.cumsum(self._histogram), np.arange(1, _BINS + 1))
        median = LOWEST + half * (HIGHEST - LOWEST) / _BINS
        return {"mean": float(mean), "median": float(median), "sd": float(variance**0.5)}


class RegionFigures:
    """What `lung_function_names.REGION_FIGURES` lists, without the volumes."""

    def __init__(self) -> None:
        self._by_volume, self._by_density = Spread(), Spread()
        self._lung = 0.0
        self._classes = np.zeros(len(PRM_CLASSES) + 1)

    def add(self, jacobian: np.ndarray, density: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Add voxels of the region.

        Args:
            jacobian: (N,) change of volume.
            density: (N,) change of air; read where a label says parenchyma.
            labels: (N,) of the parametric response map, 0 for none.
            weights: (N,) volume at exhale.
        """
        self._lung += float(weights.sum(dtype=np.float64))
        self._by_volume.add(jacobian, weights)
        is_classified = labels > 0
        self._by_density.add(density[is_classified], weights[is_classified])
        self._classes += np.bincount(labels, weights, len(self._classes))

    def figures(self) -> dict[str, float | None]:
        """All of them; None where the region is empty."""
        classified = self._classes[1:].sum()
        figures = {
            f"ventilation_{how}_{what}": value
            for how, spread in (("jacobian", self._by_volume), ("density", self._by_density))
            for what, value in spread.figures().items()
        }
        for each in PRM_CLASSES:
            figures[f"prm_{each.name}_percent"] = _percent(self._classes[each.label], classified)
        return {**figures, "prm_classified_percent": _percent(classified, self._lung)}


def _percent(part: float, whole: float) -> float | None:
    return float(100 * part / whole) if whole else None
