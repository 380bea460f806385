"""One case of an evaluation: registered by the one pipeline, measured, put in a row of figures."""

from __future__ import annotations

import dataclasses
from typing import Any

from .checkpoint import LoadedModel
from .cli_run import Run
from .device import forget_peak_memory, peak_memory_bytes, working_device
from .evaluation_table import Row
from .pair_run import Pair, register_and_measure
from .quality import snapped_registration_error
from .registration import RegistrationResult
from .settings import RegistrationSettings


def evaluate_pair(
    pair: Pair, settings: RegistrationSettings, model: LoadedModel, run: Run
) -> tuple[RegistrationResult, Row]:
    """Register a pair and measure the result.

    Args:
        pair: images, and masks and landmarks where there are such.
        settings, model: see ``register``.
        run: clock, progress, interrupts.

    Returns:
        The result, and its figures by the names of ``evaluation_table.COLUMNS``; none of landmarks where there are
        no landmarks. "seconds" is the registration's, without reading and measuring. "peak_memory_mib" is of this
        case: of the process on the CPU (where the system cannot begin a new count, the largest so far), of the
        tensors on a CUDA device.

    Raises:
        NePhiError: as ``register`` does; RegistrationCancelled after an interrupt.
    """
    device = working_device(settings.device)
    forget_peak_memory(device)
    result, quality = register_and_measure(pair, settings, model, run)
    figures = _figures(quality)
    figures["seconds"] = sum(result.seconds_by_step.values())
    figures["peak_memory_mib"] = peak_memory_bytes(device) / 2**20
    figures |= _errors(pair, result, quality)
    return result, figures


def _figures(quality: dict[str, Any]) -> Row:
    jacobian, returned = quality["jacobian"], quality["inverse_consistency_mm"]
    similarity = quality["similarity"]
    return {
        "folds_central": jacobian["folds_central"],
        "folds_one_sided": jacobian["folds_any_one_sided"],
        "folds_central_percent": 100 * jacobian["fold_fraction_central"],
        "folds_one_sided_percent": 100 * jacobian["fold_fraction_any_one_sided"],
        "det_min": jacobian["min"],
        "sd_log_j": jacobian["sd_log_j"],
        "inverse_consistency_mean_mm": returned["mean"],
        "inverse_consistency_p95_mm": returned["p95"],
        "local_ncc_before": similarity["before"]["local_ncc"],
        "local_ncc": similarity["after"]["local_ncc"],
    }


def _errors(pair: Pair, result: RegistrationResult, quality: dict[str, Any]) -> Row:
    """At the landmarks; nothing where there are none."""
    fixed, moving = pair.fixed_landmarks_ras_mm, pair.moving_landmarks_ras_mm
    if fixed is None or moving is None:
        return {}
    tre = quality["tre_mm"]
    snapped = snapped_registration_error(result.fixed_to_moving, fixed, moving, pair.moving.geometry)
    kinds = {"tre_before": tre["before"], "tre": tre["after"], "tre_snapped": dataclasses.asdict(snapped)}
    figures = {f"{kind}_{name}_mm": value for kind, values in kinds.items() for name, value in values.items()}
    return {"landmarks": tre["landmarks"], **figures}
