"""How much the lung expands from exhale to inhale, by its change of volume and by its change of density."""

from __future__ import annotations

import numpy as np

# Beyond a tenth and ten times the volume there is error, not breath; values are held within, so that means can bear it.
MOST_EXPANSION = 10.0
LOWEST, HIGHEST = 1 / MOST_EXPANSION - 1, MOST_EXPANSION - 1
_AIR_HU = -1000.0
_LEAST_DENSITY_HU = 1.0  # above air, so that nothing is divided by none


def volume_change(determinant: np.ndarray, is_fixed_inhale: bool) -> np.ndarray:
    """(V_inhale - V_exhale) / V_exhale of the tissue in each fixed voxel, from det J of the fixed-to-moving map.

    det J is the volume in the moving image over that in the fixed one. Where exhale is fixed this is det J - 1
    (Reinhardt et al., Med Image Anal 12:752, 2008); where inhale is fixed, 1 / det J - 1.

    Args:
        determinant: det J; positive.
        is_fixed_inhale: which image is fixed.

    Returns:
        Of the same shape, unitless, within LOWEST and HIGHEST.
    """
    expansion = determinant.clip(1 / MOST_EXPANSION, MOST_EXPANSION)
    return (1 / expansion if is_fixed_inhale else expansion) - 1


def exhale_volume(determinant: np.ndarray, is_fixed_inhale: bool) -> np.ndarray:
    """Volume at exhale of the tissue in each fixed voxel, in voxels.

    Weighted with it, figures over a region are the same whichever image is fixed.
    """
    if is_fixed_inhale:
        return determinant.clip(1 / MOST_EXPANSION, MOST_EXPANSION)
    return np.ones_like(determinant)


def air_change(exhale_hu: np.ndarray, inhale_hu: np.ndarray) -> np.ndarray:
    """(A_inhale - A_exhale) / A_exhale of the air in the same tissue, from its density in both images.

    1000 (HU_in - HU_ex) / (HU_ex (HU_in + 1000)), if a voxel is a mixture of air at -1000 and tissue at 0 HU and no
    tissue comes or goes (Guerrero et al., Phys Med Biol 51:777, 2006). It is the change of volume over the share of
    air at exhale, -HU_ex / 1000.

    Args:
        exhale_hu, inhale_hu: HU of the same tissue, below 0.

    Returns:
        Of the same shape, unitless, within LOWEST and HIGHEST.
    """
    density = np.maximum(inhale_hu - _AIR_HU, _LEAST_DENSITY_HU)
    change: np.ndarray = _AIR_HU * (exhale_hu - inhale_hu) / (exhale_hu * density)
    return change.clip(LOWEST, HIGHEST)
