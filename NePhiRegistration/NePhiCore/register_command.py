"""`nephi register`: what can be checked at once is checked first, then files in, registration, files out."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .cli_run import Run
from .errors import NePhiError, SettingsError
from .output_paths import OutputPaths
from .settings import RegistrationSettings, settings_for

# torch takes seconds to load: what needs it is imported once the arguments are known to be good.
if TYPE_CHECKING:
    from .pair_run import Pair

_INPUTS = ("fixed", "moving", "fixed_mask", "moving_mask", "initial_transform", "fixed_landmarks", "moving_landmarks")


def register_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi register`` ask for; returns the summary to print.

    Raises:
        NePhiError: with nothing written.
    """
    settings = _settings(options)
    paths = _output_paths(options)
    with run.step("starting"):
        from .checkpoint import load_checkpoint
        from .device import memory_errors_in_words
        from .model_store import default_model_path
        from .pair_run import check_run_possible, register_and_write
        from .run_report import summary

        check_run_possible(paths, settings)
    with memory_errors_in_words():
        with run.step("reading"):
            model = load_checkpoint(options.model or default_model_path())
            pair = _read_pair(options)
        return summary(register_and_write(pair, settings, model, paths, run))


def _settings(options: Namespace) -> RegistrationSettings:
    is_half_asked = (options.optimise is None and options.iterations) or (
        options.optimise and options.iterations is None
    )
    if options.preset == "fast" and is_half_asked:
        raise SettingsError(
            "--preset fast is the encoder alone: give both --optimise and --iterations to go on from there, or neither."
        )
    return settings_for(
        options.preset,
        optimise=options.optimise,
        iterations=options.iterations,
        similarity_sampling_ratio=options.similarity_sampling_ratio,
        regularity_sampling_ratio=options.regularity_sampling_ratio,
        grid_spacing_mm=options.grid_spacing,
        device=options.device,
        seed=options.seed,
    )


def _output_paths(options: Namespace) -> OutputPaths:
    if (options.fixed_landmarks is None) != (options.moving_landmarks is None):
        raise SettingsError("--fixed-landmarks and --moving-landmarks go together; give both or neither.")
    paths = OutputPaths(
        options.transform,
        options.inverse_transform,
        options.warped,
        options.jacobian,
        options.report,
        options.overview,
    )
    inputs = [path for name in (*_INPUTS, "model") if (path := getattr(options, name)) is not None]
    for path in inputs:
        _check_exists(path)
    paths.check(inputs)
    return paths


def _check_exists(path: Path) -> None:
    try:
        os.stat(path)
    except OSError as error:
        problem = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be reached ({error.strerror})"
        raise NePhiError(f"The input {path} {problem}. Check the path.") from error


def _read_pair(options: Namespace) -> Pair:
    """Every input file but the weights; the small ones first."""
    from .image_io import read_mask, read_volume
    from .landmarks import check_landmark_pair, read_landmarks
    from .pair_run import Pair, file_name
    from .transform_io import read_initial_transform

    landmarks = None, None
    if options.fixed_landmarks is not None:
        landmarks = (
            read_landmarks(options.fixed_landmarks, "fixed landmarks"),
            read_landmarks(options.moving_landmarks, "moving landmarks"),
        )
        check_landmark_pair(*landmarks)
    initial = None if options.initial_transform is None else read_initial_transform(options.initial_transform)
    fixed, moving = read_volume(options.fixed, "fixed"), read_volume(options.moving, "moving")
    masks = (
        None if path is None else read_mask(path, volume.geometry, f"{volume.name} mask")
        for path, volume in ((options.fixed_mask, fixed), (options.moving_mask, moving))
    )
    given = {name: getattr(options, name) for name in _INPUTS}
    file_names = {name: file_name(path) for name, path in given.items() if path is not None}
    return Pair(fixed, moving, file_names, *masks, initial, *landmarks)
