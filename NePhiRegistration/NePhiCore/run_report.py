"""What a run has to say: report.json, and the summary that ends the command."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .lung_function import LungFunction
from .lung_function_names import PRM_CLASSES
from .quality_warnings import warnings_of
from .registration import RegistrationResult
from .warning_codes import messages_of


def run_report(
    result: RegistrationResult,
    quality: dict[str, object],
    seconds: float,
    seconds_by_step: dict[str, float],
    peak_memory_bytes: int,
    files: dict[str, dict[str, str]],
    function: LungFunction | None = None,
) -> dict[str, object]:
    """Everything that report.json holds, with stable key names.

    Args:
        result: of the registration.
        quality: of ``register_and_measure``.
        seconds: of the whole run up to now.
        seconds_by_step: its parts.
        peak_memory_bytes: of the process, or of the tensors on a GPU.
        files: "inputs" and "outputs": file names, without folders, by what they are.
        function: the lung function maps, where they were asked for.
    """
    report = {
        "seconds": seconds,
        "seconds_by_step": dict(seconds_by_step),
        "peak_memory_bytes": peak_memory_bytes,
        **result.provenance,
        **files,
        "cancelled": result.cancelled,
        **quality,
        "loss": dataclasses.asdict(result.trace),
    }
    if function is not None:
        report["lung_function"] = dict(function.figures)
    found = [*warnings_of(report), *(function.warnings if function else ())]
    return {**report, "warnings": [warning.as_dict() for warning in found]}


def finite(value: Any) -> Any:
    """The same in plain Python values, with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary(report: dict[str, Any]) -> str:
    """A dozen lines for the terminal."""
    inputs, settings = report["inputs"], report["settings"]
    lines = [
        f"Registered {inputs['moving']} to {inputs['fixed']} in {report['seconds']:.1f} s "
        f"({settings['preset']}, {settings['iterations']} iterations, {report['device']}).",
        *(f"  {name:<32}{figure}" for name, figure in _figures(report)),
        "Written: " + ", ".join(report["outputs"].values()),
        *(f"Warning: {message}." for message in messages_of(report["warnings"])),
    ]
    return "\n".join(lines)


def _figures(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    before, after = report["similarity"]["before"], report["similarity"]["after"]
    jacobian, returned = report["jacobian"], report["inverse_consistency_mm"]
    hu = "mean_absolute_difference_hu"
    yield "similarity in the lungs", f"{before['local_ncc']:.3f} -> {after['local_ncc']:.3f} (local NCC)"
    yield "mean difference in the lungs", f"{before[hu]:.0f} -> {after[hu]:.0f} HU"
    folds = f"{jacobian['folds_central']} of {jacobian['voxels']} voxels, {jacobian['folds_any_one_sided']} one-sided"
    yield "folds in the lungs", folds
    yield "det J in the lungs", f"{jacobian['p1']:.2f} to {jacobian['p99']:.2f} (1st to 99th percentile)"
    yield "inverse consistency", f"{returned['mean']:.2f} mm mean, {returned['p95']:.2f} mm 95th percentile"
    between, spacing = report["interpolation_mm"], report["settings"]["grid_spacing_mm"]
    error = f"{between['mean']:.2f} mm mean, {between['p95']:.2f} mm 95th percentile"
    yield f"read on a grid of {spacing:g} mm", f"{error} off the map"
    if "tre_mm" in report:
        tre = report["tre_mm"]
        yield "error at landmarks (TRE)", _error(tre["before"], tre["after"]) + f", {tre['landmarks']} landmarks"
    if "truth_mm" in report:
        yield "error everywhere in the lungs", _error(report["truth_mm"]["before"], report["truth_mm"]["after"])
    if "lung_function" in report:
        yield from _lung_function_figures(report["lung_function"])


def _lung_function_figures(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    def shown(value: float | None, digits: int) -> str:
        return "n/a" if value is None else f"{value:.{digits}f}"

    by_volume, by_density = (shown(figures[f"ventilation_{how}_mean"], 2) for how in ("jacobian", "density"))
    yield "specific volume change", f"{by_volume} mean; of air, by density {by_density}"
    shares = (f"{each.title} {shown(figures[f'prm_{each.name}_percent'], 1)} %" for each in PRM_CLASSES)
    yield "parametric response", ", ".join(shares)


def _error(before: dict[str, Any], after: dict[str, Any]) -> str:
    return (
        f"{before['mean']:.2f} -> {after['mean']:.2f} mm mean "
        f"({after['median']:.2f} median, {after['p95']:.2f} 95th percentile)"
    )
