"""A breathing phantom of coarse voxels and a tiny model of random weights: registrations that take a second."""

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import NePhiCore.phantom as phantom_module
import NePhiCore.registration as registration_module
import NePhiCore.scales as scales_module
from NePhiCore.checkpoint import LoadedModel
from NePhiCore.model import ModelConfig, NePhiModel

COARSE = {"shape_kji": (52, 48, 60), "spacing_mm": 6.0, "noise_hu": 0.0, "landmark_count": 100}
TINY = ModelConfig(8, 8, 9, width=32, frequencies=16, frequency_scale=0.5, encoder_width=8)


@contextmanager
def coarse_world() -> Iterator[None]:
    """Voxels of 6 mm need no finer cubes: a sixteenth of the search, scales two and a half times as wide."""
    wide = tuple(dataclasses.replace(s, spacing_mm=2.5 * s.spacing_mm) for s in scales_module.SCALES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration_module, "SEARCH_SIZE", 32)
        patch.setattr(scales_module, "SCALES", wide)
        patch.setattr(phantom_module, "build_anatomy", functools.lru_cache(1)(phantom_module.build_anatomy))
        yield


def a_model(output=0.0) -> LoadedModel:
    """Fresh, its maps lay lung box on lung box; with an output they move points by about that many cube units."""
    torch.manual_seed(0)
    model = NePhiModel(TINY)
    for network in (model.fixed_to_moving, model.moving_to_fixed):
        torch.nn.init.normal_(network.output.weight, std=output)
    return LoadedModel(model.eval().requires_grad_(False), "0" * 64, "random.pt", {})
