"""What memory a run of the command takes, before it runs: formulas fitted to runs on two cores under Linux."""

from __future__ import annotations

import numpy as np

from .free_memory import gigabytes
from .output_paths import OutputPaths

# While it registers: program and method, and of each voxel of both images, beside its value.
_REGISTERING_BYTES, _REGISTERING_BYTES_A_VOXEL = 0.95e9, 1.9
# While it writes: the program and the lungs; then of each voxel of the fixed image a float32 image or the warped one,
# with ITK's copy of it, and a mask.
_WRITING_BYTES, _LUNGS_BYTES_A_VOXEL, _FLOAT_BYTES, _COPIES = 0.6e9, 1.0, 4, 2


def estimated_bytes(fixed_hu: np.ndarray, moving_hu: np.ndarray, paths: OutputPaths) -> float:
    """Memory at most of a registration on the CPU, from images in memory to files; on a GPU it is less.

    Args:
        fixed_hu, moving_hu: (K, J, I) voxels as they are stored.
        paths: which outputs are asked for.
    """
    stored, voxels = fixed_hu.nbytes + moving_hu.nbytes, fixed_hu.size + moving_hu.size
    registering = _REGISTERING_BYTES + stored + _REGISTERING_BYTES_A_VOXEL * voxels
    floats = _FLOAT_BYTES if paths.jacobian or paths.overview or paths.maps() else 0
    warped = moving_hu.itemsize if paths.warped else 0
    images = _COPIES * max(floats, warped) + bool(floats or warped)
    writing = _WRITING_BYTES + stored + _LUNGS_BYTES_A_VOXEL * voxels + images * fixed_hu.size
    return max(registering, writing)


def shortage_in_words(needed_bytes: float, free_bytes: int) -> str:
    """A warning where less memory was free, at the start of the command, than is needed; 0 is not known."""
    if not free_bytes or needed_bytes <= free_bytes:
        return ""
    return (
        f"nephi: warning: about {gigabytes(needed_bytes)} of memory will be needed, {gigabytes(free_bytes)} are free. "
        "If the run ends early, close other programs, ask for fewer outputs, or crop the images."
    )
