"""Options that several commands share. Standard library only."""

from __future__ import annotations

import argparse
from typing import NoReturn, TypeAlias

from .errors import SettingsError
from .settings import DEVICES, PRESETS, settings_for

EXIT_CODES = (
    "exit code: 0 done; 1 a fault of the program, or a case of evaluate or batch that failed; 2 an input, setting or "
    "output that cannot be used; 3 out of memory or diverged; 130 interrupted. The outputs appear whole and all "
    "together, or not at all."
)
MODEL_HELP = "other weights than those that came with the package"


Options: TypeAlias = argparse._ActionsContainer  # a parser or a group of one; argparse names it for itself only
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Raises what argparse would print with the usage, so that every complaint is one line of one form."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message} (see {self.prog} --help).")


def add_method(group: Options) -> None:
    """Preset and settings, as ``register_command.chosen_settings`` reads them."""
    group.add_argument(
        "--preset",
        choices=PRESETS,
        default="balanced",
        help="fast: the encoder alone; balanced (default): then the latent code is optimised; accurate: networks too",
    )
    balanced, accurate = settings_for("balanced"), settings_for("accurate")
    steps = f"(default {balanced.iterations}, accurate: {accurate.iterations})"
    group.add_argument("--iterations", type=int, metavar="N", help=f"optimisation steps; 0 is off {steps}")
    group.add_argument("--optimise", choices=("latent", "all"), help="the latent code alone, or the networks with it")

    def add(name: str, kind: type, metavar: str, text: str, default: float) -> None:
        group.add_argument(name, type=kind, metavar=metavar, help=f"{text} (default {default:g})")

    share = "share of the lung voxels, in (0, 1],"
    add("--similarity-sampling-ratio", float, "r", f"{share} compared at a step", balanced.similarity_sampling_ratio)
    add("--regularity-sampling-ratio", float, "r", f"{share} kept regular", balanced.regularity_sampling_ratio)
    add("--grid-spacing", float, "MM", "largest spacing of the written maps, 0.5 to 50", balanced.grid_spacing_mm)
    add("--seed", int, "S", "seed of every random draw", balanced.seed)


def add_running(group: Options) -> None:
    """Where to compute, and whether to say how far it is."""
    group.add_argument("--device", choices=DEVICES, help="where to compute (default auto: a GPU if there is one)")
    group.add_argument("--quiet", action="store_true", help="no progress")
