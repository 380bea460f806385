"""`python -m benchmarks.lung_function`: the maps of a diseased phantom against its truth, in figures and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates, median_filter

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.folds import determinant_on
from NePhiCore.geometry import transform_points
from NePhiCore.lung_function import LungFunction, lung_function
from NePhiCore.lung_function_names import OUTSIDE, PRM_CLASSES
from NePhiCore.phantom import BreathingPhantom, breathing_phantom
from NePhiCore.phantom_disease import Ball, Disease
from NePhiCore.quality import target_registration_error
from NePhiCore.registration import register
from NePhiCore.settings import PRESETS, settings_for
from NePhiCore.volume import Volume

from .lung_function_picture import write_picture
from .report import table, write_section

ROOT = Path(__file__).resolve().parents[1]
ILL = Disease(
    emphysema=(Ball((68.0, -2.0, 30.0), 26.0),),
    trapped_air=(Ball((-72.0, -2.0, -15.0), 26.0),),
)


@dataclass(frozen=True, eq=False)
class Truth:
    """What there is in each fixed voxel, (K, J, I), by formulas of its own from the phantom without noise.

    Attributes:
        volume_change: from the motion's exact determinant.
        air_change: from densities as a scanner without noise shows them, medians over 3 x 3 x 3 voxels.
        labels: of the parametric response, from the same densities; 0 where these are not -1000 to -500 HU.
        weights: volume at exhale.
    """

    volume_change: np.ndarray
    air_change: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def truth_of(clean: BreathingPhantom, fixed_state: str) -> Truth:
    """The truth on the grid of the "exhale" or "inhale" scan."""
    geometry = getattr(clean, fixed_state).geometry
    points = geometry.points_ras_mm()
    exhale_points = points if fixed_state == "exhale" else clean.inhale_to_exhale(points)
    inhale_points, determinant = clean.motion.exhale_to_inhale_with_determinant(exhale_points)
    exhale_hu, inhale_hu = (
        median_filter(_hu_at(volume, at), 3, mode="nearest")
        for volume, at in ((clean.exhale, exhale_points), (clean.inhale, inhale_points))
    )
    exhale_air, inhale_air = (np.clip(-hu / 1000, 0.5, 0.999) for hu in (exhale_hu, inhale_hu))
    expansion = (1 - exhale_air) / (1 - inhale_air)  # the same tissue in another volume
    air_change = (expansion * inhale_air - exhale_air) / exhale_air
    is_emphysema_like, is_trapped_like = inhale_hu < -950, exhale_hu < -856
    labels = np.select([is_emphysema_like & is_trapped_like, is_emphysema_like, is_trapped_like], [3, 4, 2], 1)
    for hu in (exhale_hu, inhale_hu):
        labels[(hu < -1000) | (hu > -500)] = 0
    weights = np.ones_like(determinant) if fixed_state == "exhale" else 1 / determinant
    return Truth(determinant - 1, air_change, labels, weights)


def compare(found: LungFunction, truth: Truth) -> dict[str, str]:
    """Rows of the table: truth and found, over the voxels where both have a value."""
    labels = found.parametric_response
    inside, both = found.ventilation_jacobian > OUTSIDE, (labels > 0) & (truth.labels > 0)
    volume, air = found.ventilation_jacobian, found.ventilation_density
    correlation = np.corrcoef(volume[inside], truth.volume_change[inside])[0, 1]
    rows = {
        "specific volume change, mean": _pair(_mean(truth.volume_change, truth, inside), _mean(volume, truth, inside)),
        "its error in a voxel, mean": f"{np.abs(volume - truth.volume_change)[inside].mean():.3f}",
        "its correlation with the truth": f"{correlation:.3f}",
        "specific air change by density, mean": _pair(_mean(truth.air_change, truth, both), _mean(air, truth, both)),
        "error of that in a voxel, mean": f"{np.abs(air - truth.air_change)[both].mean():.3f}",
    }
    for each in PRM_CLASSES[:3]:
        true, got = (array == each.label for array in (truth.labels, labels))
        shares = (100 * _mean(is_it.astype(float), truth, both) for is_it in (true, got))
        rows[f"{each.title}, % of the parenchyma"] = _pair(*shares, digits=1)
        overlap = 2 * (true & got & both).sum() / max((true & both).sum() + (got & both).sum(), 1)
        rows[f"{each.title}, Dice"] = f"{overlap:.2f}"
    rows["voxels of the right class, %"] = f"{100 * (labels == truth.labels)[both].mean():.1f}"
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    grid = {"shape_kji": tuple(round(n * 3 / options.spacing) for n in (104, 96, 120)), "spacing_mm": options.spacing}
    scanned, clean = (breathing_phantom(disease=ILL, noise_hu=noise, **grid) for noise in (15.0, 0.0))
    columns, first = {}, None
    for fixed_state, moving_state in (("exhale", "inhale"), ("inhale", "exhale")):
        truth = truth_of(clean, fixed_state)
        true_map = DisplacementField(
            scanned.truth_displacement(getattr(scanned, fixed_state).geometry, f"{fixed_state}_to_{moving_state}"),
            getattr(scanned, fixed_state).geometry,
        )
        lungs = [getattr(scanned, f"{state}_lungs") for state in (fixed_state, moving_state)]
        fixed, moving = getattr(scanned, fixed_state), getattr(scanned, moving_state)
        columns[f"true map, {fixed_state} fixed"] = compare(_maps(fixed, moving, true_map, lungs), truth)
        result = register(fixed, moving, settings_for(options.preset, device="cpu"))
        found = _maps(fixed, moving, result.fixed_to_moving, [result.fixed_lungs, result.moving_lungs])
        error = _landmark_error_mm(scanned, result.fixed_to_moving, fixed_state, moving_state)
        columns[f"registered, {fixed_state} fixed ({error:.2f} mm at landmarks)"] = compare(found, truth)
        first = first or (fixed, found)
        print(f"{fixed_state} fixed: done", flush=True)
    rows = [[name, *(column[name] for column in columns.values())] for name in next(iter(columns.values()))]
    write_section(options.output / "lung_function.md", "validation", table(("", *columns), rows))
    write_picture(options.output / "images" / "lung_function.png", *first, _through_both_places(scanned))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lung_function", description=__doc__)
    parser.add_argument("--spacing", type=float, default=2.0, help="of the phantom's voxels, mm")
    parser.add_argument("--preset", choices=PRESETS, default="balanced")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of the documents")
    return parser.parse_args(arguments)


def _through_both_places(phantom: BreathingPhantom) -> np.ndarray:
    """(3,) where the sagittal, coronal and axial plane cut the exhale scan: trapped air, both places, emphysema."""
    places = np.array([ball.centre_ras_mm for ball in (*ILL.trapped_air, *ILL.emphysema)])
    trapped_air, emphysema = phantom.inhale_to_exhale(places)
    return np.array([trapped_air[0], (trapped_air[1] + emphysema[1]) / 2, emphysema[2]])


def _maps(fixed: Volume, moving: Volume, field: DisplacementField, lungs: Sequence[np.ndarray]) -> LungFunction:
    return lung_function(fixed, moving, field, determinant_on(field, fixed.geometry), *lungs)


def _hu_at(volume: Volume, points_ras_mm: np.ndarray) -> np.ndarray:
    ijk = transform_points(volume.geometry.ras_to_ijk, points_ras_mm)
    return map_coordinates(volume.hu.astype(np.float32), np.moveaxis(ijk[..., ::-1], -1, 0), order=1, mode="nearest")


def _landmark_error_mm(phantom: BreathingPhantom, field: DisplacementField, *states: str) -> float:
    points = (getattr(phantom, f"landmarks_{state}_ras_mm") for state in states)
    return target_registration_error(field, *points).after.mean


def _mean(values: np.ndarray, truth: Truth, where: np.ndarray) -> float:
    return float(np.average(values[where], weights=truth.weights[where]))


def _pair(truth: float, found: float, digits: int = 3) -> str:
    return f"{truth:.{digits}f}, found {found:.{digits}f}"


if __name__ == "__main__":
    raise SystemExit(main())
