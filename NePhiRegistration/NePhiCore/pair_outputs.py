"""From a pair to everything that a viewer shows of its registration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .block_volume import BlockVolume
from .checkpoint import LoadedModel
from .cli_run import Run
from .device import memory_errors_in_words, peak_memory_bytes, working_device
from .displacement_field import DisplacementField, identity_field, map_points, warp_mask
from .errors import InvalidVolumeError
from .geometry import ImageGeometry, transform_points
from .grid_field import on_orthonormal_grid, warp_volume_cubic
from .lung_function_names import MAPS
from .pair_data import GridData, MaskPart, PairInputs, PairOutputs
from .pair_run import Pair, Products, register_and_measure
from .run_report import finite, run_report
from .settings import RegistrationSettings
from .transform_io import InitialTransform


def registered_pair(
    inputs: PairInputs,
    settings: RegistrationSettings,
    model: LoadedModel,
    run: Run,
    on_preview: Callable[[DisplacementField], None] | None = None,
) -> PairOutputs:
    """Register a pair, measure it as the command does, and compute the images that show it.

    Args:
        inputs: the pair.
        settings, model: see ``register``.
        run: clock, progress, interrupts.
        on_preview: see ``register``.

    Raises:
        NePhiError: as ``register`` does.
    """
    names = {"fixed": inputs.fixed.name, "moving": inputs.moving.name}
    pair = _pair(inputs, names)
    result, quality = register_and_measure(pair, settings, model, run, on_preview)
    products, function = Products(pair, result), None
    if inputs.lung_function:
        with run.step("lung function"), memory_errors_in_words():
            function = products.lung_function
    forward, backward = map(on_orthonormal_grid, (result.fixed_to_moving, result.moving_to_fixed))
    with run.step("writing"), memory_errors_in_words():
        warped = warp_volume_cubic(inputs.moving, forward, inputs.fixed.geometry)
        folds, determinant = products.folds, products.determinant
    peak = peak_memory_bytes(working_device(settings.device))
    figures = run_report(result, quality, run.seconds, run.seconds_by_step, peak, {"inputs": names}, function)
    return PairOutputs(
        _grid_data(forward),
        _grid_data(backward),
        warped,
        determinant,
        folds.view(np.uint8),
        result.fixed_lungs.view(np.uint8),
        finite(figures),
        {name: partial(_whole, getattr(function, name)) for name in MAPS} if function else {},
    )


def _whole(volume: BlockVolume) -> np.ndarray:
    with memory_errors_in_words():
        return volume.whole()


def mask_on(parts: tuple[MaskPart, ...], geometry: ImageGeometry, name: str) -> np.ndarray | None:
    """(K, J, I) bool: the parts together, on the grid of an image; None where there are no parts.

    Raises:
        InvalidVolumeError: nothing of the mask lies in the image.
    """
    if not parts:
        return None
    mask = np.zeros(geometry.shape_kji, bool)
    for part in parts:
        marked = part.labels > 0 if part.label is None else part.labels == part.label
        if part.geometry.is_same_grid(geometry):
            mask |= marked
        else:
            mask |= warp_mask(marked, part.geometry, identity_field(), geometry)
    if not mask.any():
        raise InvalidVolumeError(f"The lung mask of {name} marks no voxel of its image. Choose a mask of this image.")
    return mask


def _pair(inputs: PairInputs, names: dict[str, str]) -> Pair:
    return Pair(
        inputs.fixed,
        inputs.moving,
        names,
        mask_on(inputs.fixed_mask, inputs.fixed.geometry, inputs.fixed.name),
        mask_on(inputs.moving_mask, inputs.moving.geometry, inputs.moving.name),
        _initial_transform(inputs.initial),
        inputs.fixed_landmarks_ras_mm,
        inputs.moving_landmarks_ras_mm,
        inputs.inhale,
    )


def _initial_transform(initial: np.ndarray | GridData | None) -> InitialTransform | None:
    if initial is None:
        return None
    if isinstance(initial, GridData):
        field = DisplacementField(initial.displacement_ras_mm, initial.geometry)
        return InitialTransform((partial(map_points, field),), None)
    return InitialTransform((partial(transform_points, initial),), initial)


def _grid_data(field: DisplacementField) -> GridData:
    return GridData(field.displacement_ras_mm, field.geometry)
