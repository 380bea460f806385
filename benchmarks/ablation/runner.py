"""Every variant of every study on every pair: registered, measured, written down."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from NePhiCore import __version__
from NePhiCore.checkpoint import LoadedModel
from NePhiCore.device import choose_device, forget_peak_memory, peak_memory_bytes
from NePhiCore.displacement_field import DisplacementField, inverse_consistency_mm
from NePhiCore.errors import OptimisationDivergedError
from NePhiCore.folds import FoldStatistics, fold_statistics
from NePhiCore.quality import DistanceStatistics, target_registration_error
from NePhiCore.registration import RegistrationResult, register
from NePhiCore.settings import RegistrationSettings, settings_for
from NePhiCore.voxel_views import mask_points_ras_mm
from training.provenance import commit

from .results import Results, Row
from .studies import REGULARITY_POINTS, Study, Variant
from .subjects import Start, Subject

_QUICK_SHARE, _QUICK_GRID_MM = 0.1, 10.0
_ROUND_TRIP_POINTS = 100_000


@dataclass(frozen=True, eq=False)
class Job:
    """One variant on one pair; `following` is the pair whose code an interpolation goes to."""

    study: Study
    variant: Variant
    subject: Subject
    following: Subject


def jobs(studies: Sequence[Study], subjects: Sequence[Subject]) -> Iterator[Job]:
    """All studies on the first pair, then on the next: what is there when it is stopped is of every study."""
    for is_long in (False, True):
        for number, subject in enumerate(subjects[:1] if is_long else subjects):
            following = subjects[(number + 1) % len(subjects)]
            for study in studies:
                for variant in study.variants:
                    needs_two = variant.start["from"] == "between"
                    if variant.is_long == is_long and (len(subjects) > 1 or not needs_two):
                        yield Job(study, variant, subject, following)


def run_jobs(
    todo: Iterator[Job],
    model: LoadedModel,
    results: Results,
    device: str = "auto",
    is_quick: bool = False,
    tell: Callable[[Row], None] = lambda row: None,
) -> None:
    """Add a row for each job that has none yet with these settings and weights."""
    made_with = _made_with()
    for job in todo:
        settings = settings_of(job, device, is_quick)
        row = _row(job, settings, model)
        if results.has(row):
            continue
        known = results.same_registration(row)
        if known:
            row |= {key: known[key] for key in (*made_with, "figures")}
        else:
            row |= made_with | {"figures": _rounded(figures_of(job, settings, model))}
        results.add(row)
        tell(row)


def settings_of(job: Job, device: str, is_quick: bool) -> RegistrationSettings:
    """The preset with the variant's changes; a number of points becomes a share of this pair's lung voxels."""
    changes = dict(job.variant.changes)
    if REGULARITY_POINTS in changes:
        changes["regularity_sampling_ratio"] = changes.pop(REGULARITY_POINTS) / job.subject.lung_voxels
    settings = settings_for(job.variant.preset, device=device, **changes)
    if is_quick:
        iterations = round(_QUICK_SHARE * settings.iterations)
        settings = dataclasses.replace(settings, iterations=iterations, grid_spacing_mm=_QUICK_GRID_MM)
    return settings


def figures_of(job: Job, settings: RegistrationSettings, model: LoadedModel) -> Row:
    """Register and measure; what the optimisation says where it diverged."""
    subject, is_mixture = job.subject, job.variant.start["from"] == "between"
    start = _start(job, settings)
    if is_mixture:
        settings = dataclasses.replace(settings, optimise="none")
    device = choose_device(settings.device)
    standing_in = dataclasses.replace(model, model=start)
    lungs = dict(zip(("fixed_lungs", "moving_lungs"), subject.lungs))
    forget_peak_memory(device)
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    try:
        result = register(*subject.volumes, settings, model=standing_in, **lungs)
    except OptimisationDivergedError as error:
        return {"failed": str(error)}
    figures: Row = {
        "seconds": time.perf_counter() - seconds,
        "cpu_seconds": time.process_time() - cpu_seconds,
        "peak_memory_mib": peak_memory_bytes(device) / 2**20,
    }
    if start.matched is not None:
        figures["seconds"] += subject.encoding_seconds
        figures["cpu_seconds"] += subject.encoding_cpu_seconds
    return figures | _smoothness(subject, result) | ({} if is_mixture else _errors(subject, result))


def _start(job: Job, settings: RegistrationSettings) -> Start:
    asked = job.variant.start
    if asked["from"] == "scratch":
        return job.subject.scratch(asked["size"], settings.seed)
    if asked["from"] == "between":
        return job.subject.between(job.following, asked["share"], settings)
    return job.subject.encoded


def _smoothness(subject: Subject, result: RegistrationResult) -> Row:
    """Folds, of the two maps the worse one, each in the lungs of its own image; the round trip in the fixed lungs."""
    fixed, moving = (volume.geometry for volume in subject.volumes)
    forth = fold_statistics(result.fixed_to_moving, result.fixed_lungs, fixed)
    back = fold_statistics(result.moving_to_fixed, result.moving_lungs, moving)
    points = mask_points_ras_mm(result.fixed_lungs, fixed, _ROUND_TRIP_POINTS)
    returned = DistanceStatistics.of(inverse_consistency_mm(result.fixed_to_moving, result.moving_to_fixed, points))
    return {
        **_folds(forth, back),
        "det_min": min(forth.min_one_sided, back.min_one_sided),
        "sd_log_j": forth.sd_log_j,
        "inverse_consistency_mean_mm": returned.mean,
        "inverse_consistency_p95_mm": returned.p95,
    }


def _folds(forth: FoldStatistics, back: FoldStatistics) -> Row:
    return {
        "folds_central_percent": 100 * max(forth.fold_fraction_central, back.fold_fraction_central),
        "folds_one_sided_percent": 100 * max(forth.fold_fraction_any_one_sided, back.fold_fraction_any_one_sided),
    }


def _errors(subject: Subject, result: RegistrationResult) -> Row:
    """Sub-voxel landmark errors of both maps, mm."""
    fixed, moving = subject.files.fixed_landmarks, subject.files.moving_landmarks
    ways: tuple[tuple[str, DisplacementField, tuple], ...] = (
        ("tre", result.fixed_to_moving, (fixed, moving)),
        ("tre_back", result.moving_to_fixed, (moving, fixed)),
    )
    figures: Row = {"landmarks": len(fixed)}
    for name, field, ends in ways:
        after = target_registration_error(field, *ends).after
        figures |= {f"{name}_{part}_mm": getattr(after, part) for part in ("mean", "median", "p95", "max")}
    return figures


def _row(job: Job, settings: RegistrationSettings, model: LoadedModel) -> Row:
    start = dict(job.variant.start)
    if start["from"] == "between":
        start["to"] = job.following.name
    return {
        "study": job.study.name,
        "variant": job.variant.name,
        "pair": job.subject.name,
        "seed": settings.seed,
        "semi_synthetic": job.subject.is_semi_synthetic,
        "start": start,
        "settings": settings.as_dict(),
        "model": model.file_name,
        "model_sha256": model.sha256,
    }


def _made_with() -> Row:
    return {
        "version": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _rounded(figures: Row) -> Row:
    return {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in figures.items()}
