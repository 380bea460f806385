"""What memory a run of the command takes, before it runs: formulas fitted to runs on two cores under Linux."""

from __future__ import annotations

from .free_memory import gigabytes
from .output_paths import OutputPaths
from .settings import RegistrationSettings
from .volume import Volume

# While it registers: program and method, and of each voxel of both images, beside its value; and of the points that a
# step of the optimisation draws, where they are so many that the search, before it, took less.
_REGISTERING_BYTES, _REGISTERING_BYTES_A_VOXEL = 0.95e9, 1.9
_BYTES_AT_ALL_POINTS, _FEW_POINTS = 8e9, 0.02  # as a share of the lungs, of about four litres
# While it writes: the program and the lungs; then of each voxel of the fixed image a float32 image or the warped one,
# with ITK's copy of it, a mask, and the blocks of the lung function maps; or of each voxel of a field ITK's copies in
# double precision, beside both fields.
_WRITING_BYTES, _LUNGS_BYTES_A_VOXEL, _FLOAT_BYTES, _COPIES = 0.6e9, 1.0, 4, 2
_BLOCKS_BYTES = 2
_FIELD_BYTES, _WRITTEN_FIELD_BYTES = 12, 69


def estimated_bytes(fixed: Volume, moving: Volume, settings: RegistrationSettings, paths: OutputPaths) -> float:
    """Memory at most of a registration on the CPU, from images in memory to files; on a GPU it is less.

    Args:
        fixed, moving: the images.
        settings: whose grid spacing and sampling ratio matter.
        paths: which outputs are asked for.
    """
    stored, voxels = fixed.hu.nbytes + moving.hu.nbytes, fixed.hu.size + moving.hu.size
    registering = _REGISTERING_BYTES + _REGISTERING_BYTES_A_VOXEL * voxels + points_bytes(settings)
    nodes = [volume.geometry.with_spacing(settings.grid_spacing_mm).voxel_count for volume in (fixed, moving)]
    floats = _FLOAT_BYTES if paths.jacobian or paths.overview or paths.maps() else 0
    warped = moving.hu.itemsize if paths.warped else 0
    images = _COPIES * max(floats, warped) + bool(floats or warped) + _BLOCKS_BYTES * bool(paths.maps())
    writing = _WRITING_BYTES + _LUNGS_BYTES_A_VOXEL * voxels + _FIELD_BYTES * sum(nodes)
    return stored + max(registering, writing + max(images * fixed.hu.size, _WRITTEN_FIELD_BYTES * max(nodes)))


def points_bytes(settings: RegistrationSettings) -> float:
    """Memory of the points that a step of the optimisation draws, beyond what the search before it took."""
    return (
        _BYTES_AT_ALL_POINTS * max(settings.similarity_sampling_ratio - _FEW_POINTS, 0) * (settings.optimise != "none")
    )


def shortage_in_words(needed_bytes: float, free_bytes: int) -> str:
    """A warning where less memory was free, at the start of the command, than is needed; 0 is not known."""
    if not free_bytes or needed_bytes <= free_bytes:
        return ""
    return (
        f"nephi: warning: about {gigabytes(needed_bytes)} of memory will be needed, {gigabytes(free_bytes)} are free. "
        "If the run ends early, close other programs, ask for fewer outputs, or crop the images."
    )
