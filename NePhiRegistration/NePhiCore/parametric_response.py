"""The parametric response map: each piece of lung classified by its density at inhale and at exhale.

Galbán et al., Nat Med 18:1711 (2012), thresholds -950 HU at inhale and -856 HU at exhale:

    inhale >= -950, exhale >= -856    normal
    inhale >= -950, exhale <  -856    (functional) small airways disease: air that does not get out
    inhale <  -950, exhale <  -856    emphysema
    inhale <  -950, exhale >= -856    unclassified, "emptying emphysema" to some
"""

from __future__ import annotations

import numpy as np

INHALE_HU, EXHALE_HU = -950.0, -856.0
PARENCHYMA_HU = (-1000.0, -500.0)
NORMAL, SMALL_AIRWAYS_DISEASE, EMPHYSEMA, UNCLASSIFIED = 1, 2, 3, 4

_LABELS = np.array([[NORMAL, SMALL_AIRWAYS_DISEASE], [UNCLASSIFIED, EMPHYSEMA]], np.uint8)


def is_parenchyma(exhale_hu: np.ndarray, inhale_hu: np.ndarray) -> np.ndarray:
    """Bool, of the same shape: neither vessel nor airway in either image, -1000 to -500 HU in both."""
    low, high = PARENCHYMA_HU
    return (exhale_hu >= low) & (exhale_hu <= high) & (inhale_hu >= low) & (inhale_hu <= high)


def classify(exhale_hu: np.ndarray, inhale_hu: np.ndarray) -> np.ndarray:
    """Labels of `lung_function_names.PRM_CLASSES`, uint8, of the same shape.

    Args:
        exhale_hu, inhale_hu: HU of the same parenchyma, with little noise.
    """
    return _LABELS[(inhale_hu < INHALE_HU).astype(np.intp), (exhale_hu < EXHALE_HU).astype(np.intp)]
