"""From a pair of images to all outputs of the command: register, measure, write."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint import LoadedModel
from .cli_run import Run
from .device import peak_memory_bytes, working_device
from .displacement_field import DisplacementField, warp_volume
from .folds import determinant_on, fold_mask
from .image_io import write_volume
from .itk_files import check_image_suffix
from .kept_memory import give_back_memory
from .lung_function import Inhale, LungFunction, lung_function
from .lung_function_names import MAPS
from .output_files import StagedOutputs
from .output_paths import OutputPaths
from .overview import FOLDS_DRAWN, check_overview_possible, write_overview
from .plausibility import plausibility_report
from .quality import DistanceStatistics, quality_report, target_registration_error
from .registration import RegistrationResult, register
from .run_report import finite, run_report
from .settings import RegistrationSettings
from .transform_io import InitialTransform, check_displacement_suffix, write_displacement
from .viewing_planes import Plane, planes_through, read_plane, rows_of
from .volume import Volume
from .voxel_views import mask_points_ras_mm

_TRUTH_POINTS = 50_000


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images and what is known about them.

    Attributes:
        fixed, moving: CT, HU.
        file_names: what the report calls them, "fixed" and "moving".
        fixed_lungs, moving_lungs: (K, J, I) bool on the grids of the images; None where they are to be found.
        initial_transform: fixed to moving, or None.
        fixed_landmarks_ras_mm, moving_landmarks_ras_mm: (N, 3), or None.
        inhale: which image is at inhale, for the lung function maps; None is the one with the larger lungs.
        truth: the true map of fixed points (N, 3) to moving points (N, 3), RAS mm, where it is known.
    """

    fixed: Volume
    moving: Volume
    file_names: dict[str, str]
    fixed_lungs: np.ndarray | None = None
    moving_lungs: np.ndarray | None = None
    initial_transform: InitialTransform | None = None
    fixed_landmarks_ras_mm: np.ndarray | None = None
    moving_landmarks_ras_mm: np.ndarray | None = None
    inhale: Inhale | None = None
    truth: Callable[[np.ndarray], np.ndarray] | None = None


def check_run_possible(paths: OutputPaths, settings: RegistrationSettings) -> None:
    """Find out before anything is read what would fail at the end.

    Raises:
        OutputError: a file format that is not written.
        DependencyError: a picture is asked for and matplotlib is missing.
        DeviceError: the device is not there.
    """
    for what, path in paths.asked().items():
        real = os.path.realpath(path)  # a link's own name says nothing about the file that is written
        if what in ("transform", "inverse_transform"):
            check_displacement_suffix(real)
        elif what in ("warped", "jacobian", *MAPS, "fixed", "moving"):
            check_image_suffix(real)
    if paths.overview is not None:
        check_overview_possible()
    working_device(settings.device)


def register_and_write(
    pair: Pair,
    settings: RegistrationSettings,
    model: LoadedModel,
    paths: OutputPaths,
    run: Run,
    on_products: Callable[[Products, dict[str, object]], None] | None = None,
) -> dict[str, object]:
    """Register a pair and write every output that is asked for, all of them or none.

    Args:
        pair: images, masks, landmarks.
        settings, model: see ``register``.
        paths: where to write.
        run: clock, progress, interrupts.
        on_products: called once the files are written, with what else can be shown, and with the report. Without it
            each image made of the result is let go once it is written.

    Returns:
        What report.json holds.

    Raises:
        NePhiError: as ``register`` and ``StagedOutputs`` do; RegistrationCancelled after an interrupt.
    """
    result, quality = register_and_measure(pair, settings, model, run)
    products = Products(pair, result)
    function = None
    if paths.maps():
        with run.step("lung function"):
            function = products.lung_function
    with StagedOutputs() as outputs:
        with run.step("writing"):
            _write_products(products, quality, paths, outputs, keep_images=on_products is not None)
        peak = peak_memory_bytes(working_device(settings.device))
        files = {"inputs": pair.file_names, "outputs": {what: path.name for what, path in paths.asked().items()}}
        report = run_report(result, quality, run.seconds, run.seconds_by_step, peak, files, function)
        if paths.report is not None:
            text = json.dumps(finite(report), indent=1, allow_nan=False)
            outputs.stage(paths.report).write_text(text + "\n", encoding="utf-8")
        run.stop_if_interrupted()
    if on_products:
        on_products(products, report)
    return report


def register_and_measure(
    pair: Pair,
    settings: RegistrationSettings,
    model: LoadedModel,
    run: Run,
    on_preview: Callable[[DisplacementField], None] | None = None,
) -> tuple[RegistrationResult, dict[str, object]]:
    """Register a pair and say how good it is; the run takes the time of each step.

    Returns:
        The result; and the figures of ``quality_report`` and ``plausibility_report``, "interpolation_mm" of the map
        read between the points of its grid, the "place_doubts" about the headers of the images, which of them is at
        "inhale" where that is known, and "truth_mm" where the true map is.

    Raises:
        NePhiError: as ``register`` does; RegistrationCancelled after an interrupt.
    """
    result = register(
        pair.fixed,
        pair.moving,
        settings,
        fixed_lungs=pair.fixed_lungs,
        moving_lungs=pair.moving_lungs,
        initial_transform=pair.initial_transform,
        model=model,
        progress=run.tell,
        is_cancelled=run.is_interrupted,
        on_preview=on_preview,
    )
    run.seconds_by_step.update(result.seconds_by_step)
    with run.step("quality"):
        quality = _quality(pair, result)
    give_back_memory()  # the outputs need it in larger pieces
    return result, quality


def _quality(pair: Pair, result: RegistrationResult) -> dict[str, object]:
    quality = quality_report(
        pair.fixed,
        pair.moving,
        result.fixed_to_moving,
        result.moving_to_fixed,
        result.fixed_lungs,
        result.moving_lungs,
        pair.fixed_landmarks_ras_mm,
        pair.moving_landmarks_ras_mm,
    )
    maps_and_lungs = result.fixed_to_moving, result.fixed_lungs, result.moving_lungs
    quality |= plausibility_report(pair.fixed, pair.moving, *maps_and_lungs)
    quality["interpolation_mm"] = dataclasses.asdict(DistanceStatistics.of(result.interpolation_mm))
    quality["inhale"] = pair.inhale
    quality["place_doubts"] = {"fixed": pair.fixed.place_doubt, "moving": pair.moving.place_doubt}
    if pair.truth is not None:
        points_ras_mm = mask_points_ras_mm(result.fixed_lungs, pair.fixed.geometry, _TRUTH_POINTS)
        error = target_registration_error(result.fixed_to_moving, points_ras_mm, pair.truth(points_ras_mm))
        quality["truth_mm"] = {"before": dataclasses.asdict(error.before), "after": dataclasses.asdict(error.after)}
    return quality


@dataclass(frozen=True, eq=False)
class Products:
    """Images made from a result, each computed when it is first needed."""

    pair: Pair
    result: RegistrationResult

    def let_go(self, name: str) -> None:
        """Free the memory of an image; it is computed anew where it is needed again."""
        del vars(self)[name]

    @cached_property
    def warped(self) -> np.ndarray:
        """(K, J, I) moving image on the fixed grid, in the moving image's own type."""
        moving = self.pair.moving
        warped = warp_volume(moving, self.result.fixed_to_moving, self.pair.fixed.geometry)
        return warped.astype(moving.hu.dtype, copy=False)

    @cached_property
    def determinant(self) -> np.ndarray:
        """(K, J, I) float32 det J on the fixed grid."""
        return determinant_on(self.result.fixed_to_moving, self.pair.fixed.geometry)

    @cached_property
    def folds(self) -> np.ndarray:
        """(K, J, I) bool, folded by any of eight one-sided determinants, on the fixed grid."""
        return fold_mask(self.result.fixed_to_moving, self.pair.fixed.geometry)

    @cached_property
    def lung_function(self) -> LungFunction:
        """Ventilation maps and parametric response map on the fixed grid, and their figures."""
        pair, result = self.pair, self.result
        lungs = result.fixed_lungs, result.moving_lungs
        return lung_function(pair.fixed, pair.moving, result.fixed_to_moving, *lungs, pair.inhale)


def _write_products(
    products: Products, quality: dict[str, Any], paths: OutputPaths, outputs: StagedOutputs, keep_images: bool
) -> None:
    pair, result = products.pair, products.result
    for path, volume in ((paths.fixed, pair.fixed), (paths.moving, pair.moving)):
        if path is not None:
            write_volume(outputs.stage(path), volume.hu, volume.geometry)
    write_displacement(outputs.stage(paths.transform), result.fixed_to_moving)
    if paths.inverse_transform is not None:
        write_displacement(outputs.stage(paths.inverse_transform), result.moving_to_fixed)
    for what, path in paths.maps().items():  # before the products that stay: these take memory while they are written
        write_volume(outputs.stage(path), getattr(products.lung_function, what).whole(), pair.fixed.geometry)
    planes = planes_through(result.fixed_lungs, pair.fixed.geometry) if paths.overview is not None else ()
    pictures = [
        _write_image(products, name, path, outputs, planes, keep_images)
        for name, path in (("warped", paths.warped), ("determinant", paths.jacobian))
    ]
    if paths.overview is not None:
        rows = rows_of(planes, pair.fixed, pair.moving, result.fixed_lungs, *pictures)
        folds_ras_mm = mask_points_ras_mm(products.folds, pair.fixed.geometry, FOLDS_DRAWN)
        title = f"{pair.file_names['moving']} registered to {pair.file_names['fixed']}"
        write_overview(outputs.stage(paths.overview), rows, folds_ras_mm, quality, title)


def _write_image(
    products: Products,
    name: str,
    path: Path | None,
    outputs: StagedOutputs,
    planes: Sequence[Plane],
    keep: bool,
) -> list[np.ndarray]:
    """Write one of the products, and read it on planes; unless it is kept it is gone before the next is made."""
    geometry = products.pair.fixed.geometry
    if path is None and not planes:
        return []
    image = getattr(products, name)
    if path is not None:
        write_volume(outputs.stage(path), image, geometry)
    if not keep:
        products.let_go(name)
    return [read_plane(image, geometry, plane) for plane in planes]


def file_name(path: Path) -> str:
    """The last part of a path, also of "." and of "scans/"."""
    return Path(os.path.abspath(path)).name
