"""What a run will take, roughly: measured on one processor core, scaled by what the user chose."""

from __future__ import annotations

import numpy as np

from NePhiCore.settings import RegistrationSettings, settings_for
from NePhiCore.volume import Volume

from .free_memory import free_main_memory_bytes, gigabytes

_START_S = 12.0
_STEP_S = {"none": 0.0, "latent": 0.16, "all": 0.2}
_SECONDS_A_VOXEL = 0.15e-6
_BASE_BYTES = 0.95e9
_BYTES_A_VOXEL = 5  # what is computed on the images' grids, beside the volumes themselves
_USUAL = RegistrationSettings()


def estimated_seconds(voxels: int, settings: RegistrationSettings) -> float:
    """Time of a run on one core of a processor.

    Args:
        voxels: of both volumes together.
        settings: what the user chose.
    """
    # Of a step three fifths are work on these points, the rest is that of the regularity.
    points = settings.similarity_sampling_ratio / _USUAL.similarity_sampling_ratio
    steps = settings.iterations * _STEP_S[settings.optimise] * (0.4 + 0.6 * points)
    return _START_S + steps + _SECONDS_A_VOXEL * voxels


def estimated_bytes(*images_hu: np.ndarray) -> float:
    """Memory of a run on the images of both volumes, of the process that computes."""
    return _BASE_BYTES + sum(hu.nbytes + _BYTES_A_VOXEL * hu.size for hu in images_hu)


def estimate_in_words(fixed: Volume, moving: Volume, inputs: dict) -> tuple[str, bool]:
    """One sentence on time and memory, and whether there is as much.

    Args:
        fixed, moving: the volumes.
        inputs: keyword arguments of `NePhiRegistrationLogic.register`.
    """
    settings = settings_for(**{name: value for name, value in inputs.items() if name in _USUAL.as_dict()})
    voxels = fixed.hu.size + moving.hu.size
    free = free_main_memory_bytes()
    needed = estimated_bytes(fixed.hu, moving.hu)
    words = f"{_about(estimated_seconds(voxels, settings))} on a processor core, less on several or on a GPU; "
    words += f"{gigabytes(needed)} of memory"
    return (f"Expect {words}, {gigabytes(free)} are free.", needed < free) if free else (f"Expect {words}.", True)


def _about(seconds: float) -> str:
    if seconds < 50:
        return "less than a minute"
    whole = round(seconds / 60)
    return "about a minute" if whole == 1 else f"about {whole} minutes"
