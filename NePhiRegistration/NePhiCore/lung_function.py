"""Lung function from a registered inhale and exhale pair: ventilation maps and the parametric response map.

All maps lie on the fixed grid, in the lungs of both images. Densities are medians over 3 x 3 x 3 voxels of the fixed
grid, for the noise. Figures over a region are weighted with the volume at exhale, so that those by volume do not
depend on which image is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .block_volume import BlockVolume
from .displacement_field import DisplacementField
from .lung_function_names import OUTSIDE, REGION_FIGURES, REGIONS
from .parametric_response import classify, is_parenchyma
from .region_figures import RegionFigures
from .registered_densities import densities_in_lungs
from .scanned_lungs import ScannedLungs, in_regions
from .ventilation import air_change, exhale_volume, volume_change
from .volume import Volume
from .warning_codes import QualityWarning

Inhale = Literal["fixed", "moving"]
_LEAST_BREATH = 0.1  # of the larger lungs
_LEAST_CLASSIFIED_PERCENT = 50.0


@dataclass(frozen=True, eq=False)
class LungFunction:
    """Maps on the fixed grid, (K, J, I) when whole, and figures.

    Attributes:
        ventilation_jacobian: float32, specific change of volume from exhale to inhale; OUTSIDE where there is none.
        ventilation_density: float32, specific change of air, in parenchyma only; OUTSIDE elsewhere.
        parametric_response: uint8, labels of PRM_CLASSES, 0 elsewhere.
        figures: by the names of LUNG_FUNCTION_FIGURES; None where there is no such lung.
        warnings: what to know before any of it is believed.
    """

    ventilation_jacobian: BlockVolume
    ventilation_density: BlockVolume
    parametric_response: BlockVolume
    figures: dict[str, float | str | None]
    warnings: tuple[QualityWarning, ...]


def lung_function(
    fixed: Volume,
    moving: Volume,
    fixed_to_moving: DisplacementField,
    fixed_lungs: np.ndarray,
    moving_lungs: np.ndarray,
    inhale: Inhale | None = None,
) -> LungFunction:
    """Compute the maps of a registered pair.

    Args:
        fixed, moving: CT, HU, one at inhale and one at exhale.
        fixed_to_moving: the registration, on any grid.
        fixed_lungs, moving_lungs: (K, J, I) bool, not empty, on the grids of the images.
        inhale: which image is at inhale; None is the one with the larger lungs.
    """
    both = ScannedLungs(fixed, fixed_lungs), ScannedLungs(moving, moving_lungs)
    is_fixed_inhale = both[0].ml > both[1].ml if inhale is None else inhale == "fixed"
    jacobian, density, response = maps = tuple(
        BlockVolume(fixed.geometry.shape_kji, nothing)
        for nothing in (np.float32(OUTSIDE), np.float32(OUTSIDE), np.uint8(0))
    )
    gathered = {region: RegionFigures() for region in REGIONS}
    for here in densities_in_lungs(*both, fixed_to_moving):
        det_j = here.determinant
        in_both = here.in_both & (det_j > 0)
        exhale_hu, inhale_hu = (here.fixed_hu, here.moving_hu)[:: -1 if is_fixed_inhale else 1]
        values = _block_maps(det_j, exhale_hu, inhale_hu, in_both, is_fixed_inhale)
        for volume, part in zip(maps, values):
            volume.add(here.block, part)
        weighted = *values, exhale_volume(det_j, is_fixed_inhale)
        for region, inside in in_regions(in_both, both[0].sides.is_right(fixed.geometry, here.block)):
            gathered[region].add(*(array[inside] for array in weighted))
    at_inhale, at_exhale = both if is_fixed_inhale else both[::-1]
    figures = _figures(gathered, at_inhale, at_exhale, "fixed" if is_fixed_inhale else "moving")
    return LungFunction(jacobian, density, response, figures, tuple(_warnings(figures, at_inhale, at_exhale)))


def _block_maps(
    determinant: np.ndarray, exhale_hu: np.ndarray, inhale_hu: np.ndarray, in_both: np.ndarray, is_fixed_inhale: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three maps of a block."""
    parenchyma = in_both & is_parenchyma(exhale_hu, inhale_hu)
    jacobian, density = np.full((2, *in_both.shape), OUTSIDE, np.float32)
    jacobian[in_both] = volume_change(determinant[in_both], is_fixed_inhale)
    density[parenchyma] = air_change(exhale_hu[parenchyma], inhale_hu[parenchyma])
    return jacobian, density, np.where(parenchyma, classify(exhale_hu, inhale_hu), np.uint8(0))


def _figures(
    gathered: dict[str, RegionFigures], at_inhale: ScannedLungs, at_exhale: ScannedLungs, inhale: Inhale
) -> dict[str, float | str | None]:
    """Everything by the names of LUNG_FUNCTION_FIGURES, in that order."""
    figures: dict[str, float | str | None] = {"inhale_image": inhale}
    for region, suffix in REGIONS.items():
        inhale_ml, exhale_ml = at_inhale.volumes_ml[region], at_exhale.volumes_ml[region]
        found = {
            "lung_volume_inhale_ml": inhale_ml,
            "lung_volume_exhale_ml": exhale_ml,
            "lung_volume_change_ml": inhale_ml - exhale_ml if inhale_ml and exhale_ml else None,
            **gathered[region].figures(),
        }
        figures |= {name + suffix: found[name] for name in REGION_FIGURES}
    return figures


def _warnings(figures: dict[str, Any], at_inhale: ScannedLungs, at_exhale: ScannedLungs) -> Iterator[QualityWarning]:
    breath = (at_inhale.ml - at_exhale.ml) / max(at_inhale.ml, at_exhale.ml)
    if breath < 0:
        yield QualityWarning(
            "swapped",
            f"the image said to be at inhale ({at_inhale.volume.name}) has the smaller lungs, {at_inhale.ml:.0f} ml "
            f"and not {at_exhale.ml:.0f}: lung function as asked is from exhale to inhale, see --inhale",
        )
    elif breath < _LEAST_BREATH:
        yield QualityWarning(
            "shallow_breath",
            f"the lungs differ by {100 * breath:.0f} % in volume only: lung function needs a scan at inhale and one at "
            "exhale",
        )
    for side in (at_inhale, at_exhale):
        name = side.volume.name
        if side.sides.how == "cut":
            text = f"left and right lung of {name} could not be told apart and were cut at a plane"
            yield QualityWarning("lungs_not_parted", text)
        elif side.sides.how == "one":
            yield QualityWarning("one_lung", f"{name} shows one lung only")
    if (figures["prm_classified_percent"] or 0.0) < _LEAST_CLASSIFIED_PERCENT:
        yield QualityWarning(
            "little_parenchyma",
            "less than half of the lungs is parenchyma (-1000 to -500 HU) in both images: check the lung masks",
        )
