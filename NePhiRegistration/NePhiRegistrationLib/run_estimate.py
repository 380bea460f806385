"""What a run will take, roughly: measured on two processor cores, scaled by what the user chose."""

from __future__ import annotations

from NePhiCore.free_memory import free_main_memory_bytes, gigabytes
from NePhiCore.memory_estimate import points_bytes
from NePhiCore.settings import RegistrationSettings, settings_for
from NePhiCore.volume import Volume

_START_S = 10.0
_STEP_S = {"none": 0.0, "latent": 0.15, "all": 0.18}
_SECONDS_A_VOXEL = 0.15e-6
_BASE_BYTES = 0.9e9
# Where the grid is so fine that its field takes more: beside that, and of each of its points.
_BASE_BESIDE_FIELD_BYTES, _FIELD_BYTES = 0.7e9, 66
# What is computed on the images' grids, beside the volumes themselves; and for the lung function.
_BYTES_A_VOXEL, _MORE_BYTES_A_VOXEL = 4.0, 2.6
# Of a GPU, much the same for all images: the tensors alive at once, what two streams cannot share of them, and the work
# space of matrix products. Counted, not measured.
GPU_BYTES = 0.7e9
_USUAL = RegistrationSettings()


def estimated_seconds(voxels: int, settings: RegistrationSettings) -> float:
    """Time of a run on one core of a processor.

    Args:
        voxels: of both volumes together.
        settings: what the user chose.
    """
    # Of a step two fifths are work on these points, the rest is that of the regularity.
    points = settings.similarity_sampling_ratio / _USUAL.similarity_sampling_ratio
    steps = settings.iterations * _STEP_S[settings.optimise] * (0.6 + 0.4 * points)
    return _START_S + steps + _SECONDS_A_VOXEL * voxels


def estimated_bytes(
    fixed: Volume, moving: Volume, settings: RegistrationSettings, lung_function: bool = False
) -> float:
    """Memory of a run on both volumes, of the process that computes.

    Args:
        fixed, moving: the volumes.
        settings: whose grid spacing and sampling ratio matter.
        lung_function: its maps are asked for too.
    """
    per_voxel = _BYTES_A_VOXEL + lung_function * _MORE_BYTES_A_VOXEL
    images = sum(volume.hu.nbytes + per_voxel * volume.hu.size for volume in (fixed, moving))
    nodes = max(volume.geometry.with_spacing(settings.grid_spacing_mm).voxel_count for volume in (fixed, moving))
    base = max(_BASE_BYTES + points_bytes(settings), _BASE_BESIDE_FIELD_BYTES + _FIELD_BYTES * nodes)
    return base + images


def estimate_in_words(fixed: Volume, moving: Volume, inputs: dict) -> tuple[str, bool]:
    """One sentence on time and memory, and whether there is as much.

    Args:
        fixed, moving: the volumes.
        inputs: keyword arguments of `NePhiRegistrationLogic.register`.
    """
    settings = settings_for(**{name: value for name, value in inputs.items() if name in _USUAL.as_dict()})
    voxels = fixed.hu.size + moving.hu.size
    free = free_main_memory_bytes()
    needed = estimated_bytes(fixed, moving, settings, bool(inputs.get("lungFunction")))
    words = f"{_about(estimated_seconds(voxels, settings))} on a processor core, less on several or on a GPU; "
    words += f"{gigabytes(needed)} of memory"
    if free:
        words += f", {gigabytes(free)} are free"
    if settings.device != "cpu":
        words += f"; of a GPU's {gigabytes(GPU_BYTES)}"
    return f"Expect {words}.", not free or needed < free


def _about(seconds: float) -> str:
    if seconds < 50:
        return "less than a minute"
    whole = round(seconds / 60)
    return "about a minute" if whole == 1 else f"about {whole} minutes"
