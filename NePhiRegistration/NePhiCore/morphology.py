"""Binary morphology in millimetres, on voxels that need not be cubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Morphology:
    """Operations on masks of one grid. What lies beyond the edge of the image is unknown, not background.

    Attributes:
        spacing_mm: voxel size along the three array axes, in the order of the array.
    """

    spacing_mm: tuple[float, float, float]

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000.0

    def distance_to(self, mask: np.ndarray) -> np.ndarray:
        """(K, J, I) float32 mm to the nearest voxel of the mask; 0 or less in it, infinite where it is empty."""
        if not mask.any():
            return np.full(mask.shape, np.inf, np.float32)
        distance = sitk.SignedMaurerDistanceMap(self.image(mask), squaredDistance=False, useImageSpacing=True)
        return sitk.GetArrayFromImage(distance)

    def dilate(self, mask: np.ndarray, radius_mm: float) -> np.ndarray:
        return self.distance_to(mask) <= radius_mm

    def erode(self, mask: np.ndarray, radius_mm: float) -> np.ndarray:
        return self.distance_to(~mask) > radius_mm

    def open(self, mask: np.ndarray, radius_mm: float) -> np.ndarray:
        return self.dilate(self.erode(mask, radius_mm), radius_mm) & mask

    def close(self, mask: np.ndarray, radius_mm: float) -> np.ndarray:
        """Fill gaps narrower than twice the radius, then the holes that are left."""
        box = bounding_box(mask)
        radius_ijk = [max(1, round(radius_mm / step)) for step in self.spacing_mm[::-1]]
        closed = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(self.image(mask[box]), radius_ijk, sitk.sitkBall))
        filled = mask.copy()
        filled[box] |= sitk.GetArrayFromImage(closed) > 0
        return filled

    def label(self, mask: np.ndarray, minimum_ml: float = 0.0) -> np.ndarray:
        """(K, J, I) number of the connected component of each voxel, the largest is 1; 0 outside and in small ones."""
        return label_components(mask, max(1, round(minimum_ml / self.voxel_ml)))

    def image(self, array: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
        image.SetSpacing([float(step) for step in self.spacing_mm[::-1]])
        return image


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box that holds a mask that is not empty."""
    extents = (np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    return tuple(slice(int(e[0]), int(e[-1]) + 1) for e in extents)


def label_components(mask: np.ndarray, minimum_voxels: int = 1) -> np.ndarray:
    """Number of the connected component of each voxel, the largest is 1; 0 outside and in small ones."""
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    return sitk.GetArrayFromImage(sitk.RelabelComponent(components, minimum_voxels))
