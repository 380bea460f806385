"""A CT image in memory: Hounsfield units and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InvalidVolumeError
from .geometry import ImageGeometry

_LARGEST_VOXEL_MM = 25.0


@dataclass(frozen=True, eq=False)
class Volume:
    """Hounsfield units on a voxel grid.

    Attributes:
        hu: (K, J, I) array, any real dtype, Hounsfield units.
        geometry: placement of the voxels, RAS mm.
        name: what messages call it ("fixed", a file name).
        place_doubt: for people, what is doubtful about its geometry; "" where nothing is.
    """

    hu: np.ndarray
    geometry: ImageGeometry
    name: str = "image"
    place_doubt: str = ""

    def __post_init__(self) -> None:
        if self.hu.ndim != 3:
            raise InvalidVolumeError(
                f"{self.name}: a three-dimensional image is needed, got an array of shape {self.hu.shape}. "
                "Colour, vector and time series images must be split first."
            )
        if tuple(self.hu.shape) != self.geometry.shape_kji:
            raise InvalidVolumeError(
                f"{self.name}: the voxel array has shape {self.hu.shape}, its geometry {self.geometry.shape_kji}."
            )


def check_volume(volume: Volume) -> None:
    """Raise InvalidVolumeError where the voxels cannot be a lung CT: NaN or infinity, constant, too few, too large."""
    name, hu = volume.name, volume.hu
    if min(hu.shape) < 8:
        raise InvalidVolumeError(
            f"{name}: got {hu.shape[::-1]} voxels; at least 8 along each axis are needed. Is it a single slice?"
        )
    if not np.issubdtype(hu.dtype, np.integer):
        bad = int(hu.size - np.count_nonzero(np.isfinite(hu)))
        if bad:
            raise InvalidVolumeError(f"{name}: {bad} voxels are NaN or infinite. Replace them (air is -1000 HU) first.")
    if volume.geometry.spacing_mm.max() > _LARGEST_VOXEL_MM:
        raise InvalidVolumeError(
            f"{name}: its voxels are {volume.geometry.spacing_mm.round(1).tolist()} mm wide, more than any CT's "
            f"({_LARGEST_VOXEL_MM:g} mm). Is its header in other units? Correct it."
        )
    if hu.min() == hu.max():
        raise InvalidVolumeError(f"{name}: every voxel is {hu.flat[0]}; a constant image cannot be registered.")
