"""What a run has to say: report.json, and the summary that ends the command."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from .registration import RegistrationResult

_INVERSE_CONSISTENCY_LIMIT_MM = 1.0


def run_report(
    result: RegistrationResult,
    quality: dict[str, object],
    seconds: float,
    seconds_by_step: dict[str, float],
    peak_memory_bytes: int,
    files: dict[str, dict[str, str]],
) -> dict[str, object]:
    """Everything that report.json holds, with stable key names.

    Args:
        result: of the registration.
        quality: of ``quality_report``.
        seconds: of the whole run up to now.
        seconds_by_step: its parts.
        peak_memory_bytes: of the process, or of the tensors on a GPU.
        files: "inputs" and "outputs": file names, without folders, by what they are.
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
    return {**report, "warnings": list(_warnings(report))}


def finite(value: object) -> object:
    """The same in plain Python values, with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _warnings(report: dict) -> Iterator[str]:
    if report["cancelled"]:
        done = report["loss"]["iteration"][-1] + 1 if report["loss"]["iteration"] else 0
        yield f"interrupted after {done} of {report['settings']['iterations']} iterations"
    for where, name in (("jacobian", "the map"), ("jacobian_inverse", "the inverse map")):
        folds = report[where]["folds_any_one_sided"]
        if folds:
            share = 100 * report[where]["fold_fraction_any_one_sided"]
            advice = "a higher --regularity-sampling-ratio helps"
            yield f"{name} folds at {folds} voxels of the lungs ({share:.2g} %): {advice}"
    if report["inverse_consistency_mm"]["mean"] > _INVERSE_CONSISTENCY_LIMIT_MM:
        yield "the two maps are not inverses of each other: more --iterations help"
    similarity = report["similarity"]
    if similarity["after"]["local_ncc"] < similarity["before"]["local_ncc"]:
        yield "the images are less alike than before: look at --overview, and at the lung masks"


def summary(report: dict) -> str:
    """A dozen lines for the terminal."""
    inputs, settings = report["inputs"], report["settings"]
    lines = [
        f"Registered {inputs['moving']} to {inputs['fixed']} in {report['seconds']:.1f} s "
        f"({settings['preset']}, {settings['iterations']} iterations, {report['device']}).",
        *(f"  {name:<32}{figure}" for name, figure in _figures(report)),
        "Written: " + ", ".join(report["outputs"].values()),
        *(f"Warning: {warning}." for warning in report["warnings"]),
    ]
    return "\n".join(lines)


def _figures(report: dict) -> Iterator[tuple[str, str]]:
    before, after = report["similarity"]["before"], report["similarity"]["after"]
    jacobian, returned = report["jacobian"], report["inverse_consistency_mm"]
    hu = "mean_absolute_difference_hu"
    yield "similarity in the lungs", f"{before['local_ncc']:.3f} -> {after['local_ncc']:.3f} (local NCC)"
    yield "mean difference in the lungs", f"{before[hu]:.0f} -> {after[hu]:.0f} HU"
    folds = f"{jacobian['folds_central']} of {jacobian['voxels']} voxels, {jacobian['folds_any_one_sided']} one-sided"
    yield "folds in the lungs", folds
    yield "det J in the lungs", f"{jacobian['p1']:.2f} to {jacobian['p99']:.2f} (1st to 99th percentile)"
    yield "inverse consistency", f"{returned['mean']:.2f} mm mean, {returned['p95']:.2f} mm 95th percentile"
    if "tre_mm" in report:
        tre = report["tre_mm"]
        yield "error at landmarks (TRE)", _error(tre["before"], tre["after"]) + f", {tre['landmarks']} landmarks"
    if "truth_mm" in report:
        yield "error everywhere in the lungs", _error(report["truth_mm"]["before"], report["truth_mm"]["after"])


def _error(before: dict, after: dict) -> str:
    return (
        f"{before['mean']:.2f} -> {after['mean']:.2f} mm mean "
        f"({after['median']:.2f} median, {after['p95']:.2f} 95th percentile)"
    )
