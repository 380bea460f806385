"""Settings: every bound from both sides, the presets, and names that nobody knows."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from NePhiCore import settings
from NePhiCore.errors import SettingsError
from NePhiCore.settings import PRESETS, RegistrationSettings, settings_for

TINY = 5e-324  # the smallest positive float

# name: the smallest and the largest value that are taken
WHOLE = {"iterations": (0, 100_000), "seed": (0, 2**63 - 1)}
CONTINUOUS = {
    "similarity_sampling_ratio": (TINY, 1),
    "regularity_sampling_ratio": (TINY, 1),
    "regularity_weight": (0, 1e6),
    "prior_weight": (0, 1e6),
    "enclosed_tissue_weight": (0, 1e6),
    "latent_learning_rate": (TINY, 10),
    "network_learning_rate": (TINY, 10),
    "grid_spacing_mm": (0.5, 50),
}
CHOICES = {
    "preset": ("fast", "balanced", "accurate"),
    "optimise": ("none", "latent", "all"),
    "similarity": ("local_ncc", "ncc", "mind"),
    "regularity": ("gradient_inverse_consistency", "diffusion", "none"),
    "device": ("auto", "cpu", "cuda", "mps"),
}


def just_beyond(name: str) -> list[float]:
    low, high = {**WHOLE, **CONTINUOUS}[name]
    if name in WHOLE:
        return [low - 1, high + 1]
    return [math.nextafter(low, -math.inf) if low else -TINY, math.nextafter(high, math.inf)] + ([0] if low else [])


def test_every_setting_is_tried_here():
    names = {field.name for field in dataclasses.fields(RegistrationSettings)}
    assert names == {*WHOLE, *CONTINUOUS, *CHOICES}


@pytest.mark.parametrize("name", [*WHOLE, *CONTINUOUS])
def test_both_ends_of_the_range_are_taken(name):
    for value in {**WHOLE, **CONTINUOUS}[name]:
        assert getattr(RegistrationSettings(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in [*WHOLE, *CONTINUOUS] for value in just_beyond(name)]
)
def test_what_is_beyond_the_range_is_refused_in_words(name, value):
    with pytest.raises(SettingsError) as caught:
        RegistrationSettings(**{name: value})
    message = str(caught.value)
    assert message.startswith(name.removesuffix("_mm").replace("_", " "))
    assert repr(value) in message and "must be" in message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.7", True, None, [0.7], 0.7j])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(SettingsError, match="must be a number in"):
        RegistrationSettings(**{name: value})


@pytest.mark.parametrize("value", [1.5, 7.0, math.nan, math.inf, "7", True, None, [7]])
@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_whole_number_is_refused(name, value):
    with pytest.raises(SettingsError, match="must be a whole number in"):
        RegistrationSettings(**{name: value})


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_taken_and_another_is_refused_with_the_list(name):
    for choice in CHOICES[name]:
        assert getattr(RegistrationSettings(**{name: choice}), name) == choice
    for other in ("", CHOICES[name][0].upper(), None, 1):
        with pytest.raises(SettingsError) as caught:
            RegistrationSettings(**{name: other})
        assert all(word in str(caught.value) for word in (name, *CHOICES[name], repr(other)))


def test_presets_go_from_the_encoder_alone_to_all():
    assert PRESETS == CHOICES["preset"]
    fast, balanced, accurate = (settings_for(preset) for preset in PRESETS)
    assert [s.optimise for s in (fast, balanced, accurate)] == ["none", "latent", "all"]
    assert fast.iterations == 0 < balanced.iterations <= accurate.iterations
    assert [s.preset for s in (fast, balanced, accurate)] == list(PRESETS)


def test_the_defaults_are_the_balanced_preset():
    assert RegistrationSettings() == settings_for() == settings_for("balanced")


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_changed_is_changed_and_none_keeps_what_the_preset_says(preset):
    plain = settings_for(preset)
    assert settings_for(preset, iterations=None, seed=None, grid_spacing_mm=None) == plain
    changed = settings_for(preset, seed=7, iterations=3, device=None)
    assert changed == dataclasses.replace(plain, seed=7, iterations=3)
    assert settings_for("accurate", iterations=0, prior_weight=0).iterations == 0


def test_an_unknown_preset_or_setting_is_refused_with_the_list():
    with pytest.raises(SettingsError, match="preset must be one of fast, balanced, accurate, got 'best'"):
        settings_for("best")
    with pytest.raises(SettingsError, match="Unknown setting finetune, speed; the settings are .*iterations") as caught:
        settings_for("fast", speed=3, finetune=None)
    assert all(field.name in str(caught.value) for field in dataclasses.fields(RegistrationSettings))


def test_a_change_out_of_range_is_refused():
    with pytest.raises(SettingsError, match="iterations"):
        settings_for("accurate", iterations=-1)


def test_settings_cannot_be_changed_unchecked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RegistrationSettings().iterations = -1
    with pytest.raises(SettingsError):
        dataclasses.replace(RegistrationSettings(), iterations=-1)


def test_settings_survive_json():
    asked = settings_for("accurate", seed=2**63 - 1, similarity="mind", grid_spacing_mm=2.5)
    assert RegistrationSettings(**json.loads(json.dumps(asked.as_dict()))) == asked


def test_settings_and_errors_load_without_torch_or_numpy():
    script = (
        "import sys, NePhiCore.settings, NePhiCore.errors; "
        "print([name for name in ('torch', 'numpy', 'SimpleITK') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(settings.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
