"""`nephi demo`: a made-up patient breathes, is registered, and the result is compared with the truth."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .cli_run import Run
from .output_paths import OutputPaths, made_folder, paths_in
from .settings import settings_for

# As in register_command: torch is not loaded before the arguments are known to be good.
if TYPE_CHECKING:
    from .pair_run import Pair

PRESET = "balanced"


def demo_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi demo`` ask for; returns the summary to print.

    Raises:
        NePhiError: with nothing written.
    """
    settings = settings_for(PRESET, seed=options.seed, device=options.device)
    with made_folder(options.output) as folder:
        paths = _output_paths(folder)
        paths.check([] if options.model is None else [options.model])
        with run.step("starting"):
            from .checkpoint import load_checkpoint
            from .device import memory_errors_in_words
            from .model_store import default_model_path
            from .pair_run import check_run_possible, register_and_write
            from .run_report import summary

            check_run_possible(paths, settings)
        with memory_errors_in_words():
            model = load_checkpoint(options.model or default_model_path())
            with run.step("phantom"):
                pair = _breathing_pair(settings.seed)
            return summary(register_and_write(pair, settings, model, paths, run))


def _output_paths(folder: Path) -> OutputPaths:
    images = {name: folder / f"{name}.nii.gz" for name in ("fixed", "moving")}
    return paths_in(folder, overview=folder / "overview.png", **images)


def _breathing_pair(seed: int) -> Pair:
    """Exhale is fixed, inhale moving: the maps then start from the smaller lungs, the harder way round."""
    from .pair_run import Pair
    from .phantom import breathing_phantom

    phantom = breathing_phantom(seed=seed)
    return Pair(
        phantom.exhale,
        phantom.inhale,
        {"fixed": "fixed.nii.gz", "moving": "moving.nii.gz"},
        fixed_landmarks_ras_mm=phantom.landmarks_exhale_ras_mm,
        moving_landmarks_ras_mm=phantom.landmarks_inhale_ras_mm,
        truth=phantom.exhale_to_inhale,
    )
