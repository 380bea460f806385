"""What a user can choose, checked where it is made. Standard library only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from .errors import SettingsError

DEVICES = ("auto", "cpu", "cuda", "mps")
OPTIMISE = ("none", "latent", "all")
SIMILARITIES = ("local_ncc", "ncc", "mind")
REGULARITIES = ("gradient_inverse_consistency", "diffusion", "none")


@dataclass(frozen=True)
class RegistrationSettings:
    """One registration's settings; the presets below are the ones to start from.

    Attributes:
        preset: name of the preset that these settings began as.
        optimise: "none" (encoder alone), "latent" (networks frozen) or "all" (latent code and networks).
        iterations: optimisation steps; 0 is off.
        similarity: "local_ncc" (NCC of locally normalised intensities), "ncc" (eq. 8) or "mind".
        similarity_sampling_ratio: share of the lung voxels drawn at each step, (0, 1].
        regularity_sampling_ratio: share of the lung voxels at which inverse consistency is asked, (0, 1].
        regularity: "gradient_inverse_consistency" (eq. 5), "diffusion" or "none".
        regularity_weight: lambda_1 of eq. 10.
        prior_weight: lambda_2 of eq. 10.
        enclosed_tissue_weight: of the similarity of the soft tissue between and below the lungs; 0 leaves it out.
        latent_learning_rate, network_learning_rate: Adam step sizes.
        grid_spacing_mm: upper bound of the spacing of the written displacement fields, mm.
        device: "auto", "cpu", "cuda" or "mps".
        seed: seed of every random draw.
    """

    preset: str = "balanced"
    optimise: str = "latent"
    iterations: int = 200
    similarity: str = "local_ncc"
    similarity_sampling_ratio: float = 0.01
    regularity_sampling_ratio: float = 0.0008
    regularity: str = "gradient_inverse_consistency"
    regularity_weight: float = 2.0
    prior_weight: float = 0.0001
    enclosed_tissue_weight: float = 0.1
    latent_learning_rate: float = 0.05
    network_learning_rate: float = 0.002
    grid_spacing_mm: float = 3.0
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("preset", self.preset, tuple(_PRESET_CHANGES))
        _check_choice("optimise", self.optimise, OPTIMISE)
        _check_choice("similarity", self.similarity, SIMILARITIES)
        _check_choice("regularity", self.regularity, REGULARITIES)
        _check_choice("device", self.device, DEVICES)
        _check_range("iterations", self.iterations, 0, 100_000, whole=True)
        _check_range("seed", self.seed, 0, 2**63 - 1, whole=True)
        _check_range("similarity sampling ratio", self.similarity_sampling_ratio, 0, 1, above_low=True)
        _check_range("regularity sampling ratio", self.regularity_sampling_ratio, 0, 1, above_low=True)
        _check_range("regularity weight", self.regularity_weight, 0, 1e6)
        _check_range("prior weight", self.prior_weight, 0, 1e6)
        _check_range("enclosed tissue weight", self.enclosed_tissue_weight, 0, 1e6)
        _check_range("latent learning rate", self.latent_learning_rate, 0, 10, above_low=True)
        _check_range("network learning rate", self.network_learning_rate, 0, 10, above_low=True)
        _check_range("grid spacing (mm)", self.grid_spacing_mm, 0.5, 50)

    def as_dict(self) -> dict[str, object]:
        return dataclasses.asdict(self)


_PRESET_CHANGES: dict[str, dict[str, Any]] = {
    "fast": {"optimise": "none", "iterations": 0},
    "balanced": {"optimise": "latent", "iterations": 200},
    "accurate": {"optimise": "all", "iterations": 600},
}
PRESETS = tuple(_PRESET_CHANGES)


def settings_for(preset: str = "balanced", **changes: object) -> RegistrationSettings:
    """The settings of a preset with some of them changed; a change that is None keeps the preset's value.

    Raises:
        SettingsError: an unknown preset or setting, or a value out of range.
    """
    _check_choice("preset", preset, PRESETS)
    known = {field.name for field in dataclasses.fields(RegistrationSettings)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise SettingsError(f"Unknown setting {', '.join(unknown)}; the settings are {', '.join(sorted(known))}.")
    asked: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    return RegistrationSettings(**{"preset": preset, **_PRESET_CHANGES[preset], **asked})


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")


def _check_range(
    name: str, value: float, low: float, high: float, whole: bool = False, above_low: bool = False
) -> None:
    is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not is_number or not (low <= value <= high) or (above_low and value == low):
        bracket = "(" if above_low else "["
        kind = "a whole number" if whole else "a number"
        raise SettingsError(f"{name} must be {kind} in {bracket}{low:g}, {high:g}], got {value!r}.")
