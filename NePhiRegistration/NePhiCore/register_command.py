"""`nephi register`: what can be checked at once is checked first, then files in, registration, files out."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from .cli_run import Run
from .errors import NePhiError, SettingsError
from .free_memory import free_main_memory_bytes
from .output_paths import OutputPaths, lung_function_paths, made_folder
from .settings import RegistrationSettings, settings_for

# torch takes seconds to load: what needs it is imported once the arguments are known to be good.
if TYPE_CHECKING:
    from .lung_function import Inhale
    from .pair_run import Pair

_INPUTS = ("fixed", "moving", "fixed_mask", "moving_mask", "initial_transform", "fixed_landmarks", "moving_landmarks")


def register_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi register`` ask for; returns the summary to print.

    Raises:
        NePhiError: with nothing written.
    """
    settings = chosen_settings(options)
    with _folder_of_maps(options):
        return _register(options, settings, run)


def _register(options: Namespace, settings: RegistrationSettings, run: Run) -> str:
    free_bytes = free_main_memory_bytes()
    paths = _output_paths(options)
    with run.step("starting"):
        from .checkpoint import load_checkpoint
        from .device import memory_errors_in_words, working_device
        from .memory_estimate import estimated_bytes, shortage_in_words
        from .model_store import default_model_path
        from .pair_run import check_run_possible, register_and_write
        from .run_report import summary

        check_run_possible(paths, settings)
    with memory_errors_in_words():
        with run.step("reading"):
            model = load_checkpoint(options.model or default_model_path())
            pair = read_pair({name: getattr(options, name) for name in _INPUTS}, options.inhale)
        shortage = shortage_in_words(estimated_bytes(pair.fixed, pair.moving, settings, paths), free_bytes)
        if shortage and working_device(settings.device).type == "cpu":
            run.say(shortage)
        return summary(register_and_write(pair, settings, model, paths, run))


def chosen_settings(options: Namespace) -> RegistrationSettings:
    """The settings that the options of the method ask for.

    Raises:
        SettingsError: a value out of range, or options that contradict each other.
    """
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


def _folder_of_maps(options: Namespace) -> AbstractContextManager[object]:
    if options.lung_function is not None:
        return made_folder(options.lung_function)
    if options.inhale is not None:
        raise SettingsError("--inhale is for the lung function maps: give --lung-function too, or leave it out.")
    return nullcontext()


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
        **(lung_function_paths(options.lung_function) if options.lung_function is not None else {}),
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


def read_pair(files: Mapping[str, Path | None], inhale: Inhale | None = None) -> Pair:
    """Read the files of a pair; the small ones first.

    Args:
        files: "fixed", "moving" and, where there are such, "fixed_mask", "moving_mask", "initial_transform",
            "fixed_landmarks", "moving_landmarks".
        inhale: which image is at inhale, where that is known.

    Raises:
        NePhiError: a file that cannot be used, or files that do not belong together.
    """
    from .image_io import read_mask, read_volume
    from .landmarks import check_landmark_pair, check_landmarks_inside, read_landmarks
    from .pair_run import Pair, file_name
    from .transform_io import read_initial_transform

    given = {name: path for name, path in files.items() if path is not None}
    fixed_points = moving_points = None
    if "fixed_landmarks" in given:
        fixed_points = read_landmarks(given["fixed_landmarks"], "fixed landmarks")
        moving_points = read_landmarks(given["moving_landmarks"], "moving landmarks")
        check_landmark_pair(fixed_points, moving_points)
    initial = read_initial_transform(given["initial_transform"]) if "initial_transform" in given else None
    fixed, moving = (read_volume(given[name], name) for name in ("fixed", "moving"))
    for volume, points in ((fixed, fixed_points), (moving, moving_points)):
        if points is not None:
            check_landmarks_inside(points, volume.geometry, f"{volume.name} landmarks")
    fixed_mask, moving_mask = (
        read_mask(given[f"{volume.name}_mask"], volume.geometry, f"{volume.name} mask")
        if f"{volume.name}_mask" in given
        else None
        for volume in (fixed, moving)
    )
    names = {name: file_name(path) for name, path in given.items()}
    return Pair(fixed, moving, names, fixed_mask, moving_mask, initial, fixed_points, moving_points, inhale)
