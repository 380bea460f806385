"""What every peer's script needs: its arguments, its images, and its result as one displacement field.

The field is a vector image on the fixed grid, LPS mm: the fixed point p lies at p + u(p) in the moving image.
These scripts run in the peers' own environment and know nothing of NePhi.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
import SimpleITK as sitk

LOWEST_HU, HIGHEST_HU = -1000.0, 0.0


class Case:
    """The arguments of a script, read.

    Attributes:
        fixed, moving: float32, HU within [-1000, 0].
        fixed_lungs, moving_lungs: uint8 masks.
    """

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        for name in ("fixed", "moving", "output", "fixed_lungs", "moving_lungs"):
            parser.add_argument(name)
        parser.add_argument("--threads", type=int, default=os.cpu_count())
        options = parser.parse_args()
        self.output, self.threads = options.output, options.threads
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
        self.fixed, self.moving = (read_hu(path) for path in (options.fixed, options.moving))
        masks = (options.fixed_lungs, options.moving_lungs)
        self.fixed_lungs, self.moving_lungs = (sitk.Cast(sitk.ReadImage(m) > 0, sitk.sitkUInt8) for m in masks)

    def lungs_alone(self) -> tuple[sitk.Image, sitk.Image]:
        """Both images in [0, 1], zero outside the lungs."""
        return lungs_in(self.fixed, self.fixed_lungs), lungs_in(self.moving, self.moving_lungs)

    def write_field(self, displacement: np.ndarray) -> None:
        """(K, J, I, 3) mm, LPS, on the fixed grid."""
        field = sitk.GetImageFromArray(np.ascontiguousarray(displacement, np.float32), isVector=True)
        field.CopyInformation(self.fixed)
        sitk.WriteImage(field, self.output)

    def write_transform(self, transform: sitk.Transform) -> None:
        field = sitk.TransformToDisplacementField(
            transform,
            sitk.sitkVectorFloat64,
            self.fixed.GetSize(),
            self.fixed.GetOrigin(),
            self.fixed.GetSpacing(),
            self.fixed.GetDirection(),
        )
        sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), self.output)


def read_hu(path: str) -> sitk.Image:
    image = sitk.Cast(sitk.ReadImage(path), sitk.sitkFloat32)
    return sitk.Clamp(image, sitk.sitkFloat32, LOWEST_HU, HIGHEST_HU)


def lungs_in(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    return sitk.Mask(sitk.ShiftScale(image, -LOWEST_HU, 1.0 / (HIGHEST_HU - LOWEST_HU)), mask)
