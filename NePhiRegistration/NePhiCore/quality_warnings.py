"""What the figures of a registration warn of. Where the limits come from is in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .warning_codes import QualityWarning

INVERSE_CONSISTENCY_LIMIT_MM = 1.0
LEAST_LOCAL_NCC = 0.5
LARGEST_MOTION_MM = 60.0
LARGEST_CUT_CM2 = 5.0
LEAST_LIGHT_SHARE = 0.8
LEAST_DICE = 0.8
SAME_VOLUME = 0.02  # share of the lung volume that says nothing about the breathing state
LEAST_ITERATIONS = 40
LAST_SCALE = 0.25  # share of the iterations, see ``scales.SCALES``
LARGEST_LAST_CHANGE = 0.1  # of the loss, from the first to the second half of the last scale
NOISE_OF_LOSS = 0.005


def warnings_of(report: dict[str, Any]) -> Iterator[QualityWarning]:
    """What cannot be right about a registration, the gravest first.

    Args:
        report: of ``run_report``.
    """
    if report["cancelled"]:
        done = report["loss"]["iteration"][-1] + 1 if report["loss"]["iteration"] else 0
        text = f"interrupted after {done} of {report['settings']['iterations']} iterations"
        yield QualityWarning("interrupted", text)
    yield from _on_similarity(report["similarity"])
    yield from _on_convergence(report)
    yield from _on_maps(report)
    for side, doubt in report["place_doubts"].items():
        if doubt:
            yield QualityWarning("doubtful_place", f"the {side} image: {doubt}")
    yield from _on_lungs(report)
    yield from _on_breath(report)


def _on_similarity(similarity: dict[str, Any]) -> Iterator[QualityWarning]:
    before, after = (similarity[when]["local_ncc"] for when in ("before", "after"))
    if after < before:
        yield QualityWarning(
            "less_alike", "the images are less alike than before: look at --overview, and at the lung masks"
        )
    if after < LEAST_LOCAL_NCC:
        yield QualityWarning(
            "other_patient",
            f"the lungs are hardly alike (local correlation {after:.2f}; scans of one patient reach "
            f"{LEAST_LOCAL_NCC:g} and more): check that both images show the same patient",
        )


def _on_convergence(report: dict[str, Any]) -> Iterator[QualityWarning]:
    """Whether the similarity had come to rest at the last scale; losses of different scales cannot be compared."""
    loss, iterations = report["loss"], report["settings"]["iterations"]
    if report["cancelled"] or report["settings"]["optimise"] == "none" or iterations == 0:
        return
    if iterations < LEAST_ITERATIONS:
        text = f"the optimisation does not get from coarse to fine in {iterations} iterations: give it at least 100"
        yield QualityWarning("not_converged", text)
        return
    last_scale = [s for at, s in zip(loss["iteration"], loss["similarity"]) if at >= (1 - LAST_SCALE) * iterations]
    half = len(last_scale) // 2
    if half == 0:
        return
    early, late = sum(last_scale[:half]) / half, sum(last_scale[-half:]) / half
    if abs(early - late) > max(LARGEST_LAST_CHANGE * abs(late), NOISE_OF_LOSS):
        how = "still fell, more --iterations help" if early > late else "rose, so do not trust the map"
        yield QualityWarning("not_converged", f"the optimisation had not come to rest: at the end the loss {how}")


def _on_maps(report: dict[str, Any]) -> Iterator[QualityWarning]:
    for where, name in (("jacobian", "the map"), ("jacobian_inverse", "the inverse map")):
        folds = report[where]["folds_any_one_sided"]
        if folds:
            share = 100 * report[where]["fold_fraction_any_one_sided"]
            advice = "a higher --regularity-sampling-ratio helps"
            yield QualityWarning("folds", f"{name} folds at {folds} voxels of the lungs ({share:.2g} %): {advice}")
    if report["inverse_consistency_mm"]["mean"] > INVERSE_CONSISTENCY_LIMIT_MM:
        yield QualityWarning("not_inverse", "the two maps are not inverses of each other: more --iterations help")
    motion = report["motion_mm"]["p95"]
    if motion > LARGEST_MOTION_MM:
        yield QualityWarning(
            "large_motion",
            f"parts of the lungs move {motion:.0f} mm against the rest, further than in any pair that the model has "
            f"seen ({LARGEST_MOTION_MM:.0f} mm): look at the result, or turn the images first with --initial-transform",
        )


def _on_lungs(report: dict[str, Any]) -> Iterator[QualityWarning]:
    for side in ("fixed", "moving"):
        area, light = report["lungs_cut_cm2"][side], report["light_share"][side]
        if area > LARGEST_CUT_CM2:
            yield QualityWarning(
                "lungs_cut",
                f"the field of view of the {side} image ends inside the lungs ({area:.0f} cm2): the map is a guess "
                "where only one of the images shows them",
            )
        if light < LEAST_LIGHT_SHARE:
            yield QualityWarning(
                "masks_disagree",
                f"only {100 * light:.0f} % of the {side} lung mask is as light as lung: check that it belongs to this "
                f"image, see --{side}-mask",
            )
    overlap = report["lung_overlap_dice"]["after"]
    if overlap < LEAST_DICE:
        yield QualityWarning(
            "masks_disagree",
            f"the lung masks do not cover each other after registration (Dice {overlap:.2f}): check that both mark the "
            "same lungs, see --fixed-mask and --moving-mask",
        )


def _on_breath(report: dict[str, Any]) -> Iterator[QualityWarning]:
    inhale = report["inhale"]
    if inhale is None or "lung_function" in report:  # which warns of it itself
        return
    litres = report["lung_volume_litres"]
    larger, smaller = litres[inhale], litres["moving" if inhale == "fixed" else "fixed"]
    if larger < (1 - SAME_VOLUME) * smaller:
        yield QualityWarning(
            "swapped",
            f"the image said to be at inhale ({inhale}) has the smaller lungs, {larger:.2f} l and not {smaller:.2f}: "
            "inhale and exhale may be swapped, see --inhale",
        )
