"""Every choice of the panel, kept in the scene: saved with it and loaded with it."""

from __future__ import annotations

import enum
from typing import Annotated, Union

from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTransformNode,
)
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


class _Labelled(enum.Enum):
    """Entries of a combo box. Slicer writes the name into the scene and shows what `label` says."""

    def label(self) -> str:
        return _LABELS[self]


class Preset(_Labelled):
    FAST = "fast"
    BALANCED = "balanced"
    ACCURATE = "accurate"


class Optimise(_Labelled):
    NONE = "none"
    LATENT = "latent"
    ALL = "all"


class Device(_Labelled):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Inhale(_Labelled):
    """Which scan is at inhale, for the lung function maps."""

    AUTO = "auto"
    FIXED = "fixed"
    MOVING = "moving"


class LungMap(_Labelled):
    """The lung function map over the slice views: the name of its output."""

    NONE = "none"
    BY_VOLUME = "ventilationJacobian"
    BY_DENSITY = "ventilationDensity"
    RESPONSE = "parametricResponse"


class Compare(_Labelled):
    """What the slice views show below the overlay once there is a result."""

    FIXED = "fixed"
    BEFORE = "before"
    AFTER = "after"
    CHECKERBOARD = "checkerboard"
    FLICKER = "flicker"
    DIFFERENCE_BEFORE = "difference before"
    DIFFERENCE_AFTER = "difference after"


_LABELS = {
    Preset.FAST: "Fast: encoder alone",
    Preset.BALANCED: "Balanced: then fit the latent code",
    Preset.ACCURATE: "Accurate: then fit the networks too",
    Optimise.NONE: "Nothing",
    Optimise.LATENT: "Latent code only",
    Optimise.ALL: "All: latent code and networks",
    Device.AUTO: "Automatic",
    Device.CPU: "CPU",
    Device.CUDA: "NVIDIA GPU (CUDA)",
    Device.MPS: "Apple GPU (MPS)",
    Inhale.AUTO: "Automatic: the larger lungs",
    Inhale.FIXED: "Fixed volume",
    Inhale.MOVING: "Moving volume",
    LungMap.NONE: "Off",
    LungMap.BY_VOLUME: "Ventilation by volume",
    LungMap.BY_DENSITY: "Ventilation by density",
    LungMap.RESPONSE: "Parametric response",
    Compare.FIXED: "Fixed volume",
    Compare.BEFORE: "Moving volume before",
    Compare.AFTER: "Moving volume after",
    Compare.CHECKERBOARD: "Checkerboard, fixed and warped",
    Compare.FLICKER: "Flicker, fixed and warped",
    Compare.DIFFERENCE_BEFORE: "Difference before",
    Compare.DIFFERENCE_AFTER: "Difference after",
}

# Slicer wants the None in a union of nodes, and older ones know only this form of it.
Mask = Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007 (see above)


@parameterNodeWrapper
class NePhiParameterNode:
    """Inputs, settings, outputs and views; a None in a node parameter means "not given" or "make a new one".

    Attributes:
        iterations, optimise: begin as the preset's, which is written into them when the preset is chosen.
        modelFile: empty for the weights that came with the module.
        foldThreshold: det J at or below this counts as folded in the overlay.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    fixedMask: Mask
    movingMask: Mask
    initialTransform: vtkMRMLTransformNode
    fixedLandmarks: vtkMRMLMarkupsFiducialNode
    movingLandmarks: vtkMRMLMarkupsFiducialNode

    preset: Preset = Preset.BALANCED
    iterations: Annotated[int, WithinRange(0, 100_000)] = 200
    optimise: Optimise = Optimise.LATENT
    similaritySamplingRatio: Annotated[float, WithinRange(0.0001, 1)] = 0.01
    regularitySamplingRatio: Annotated[float, WithinRange(0.0001, 1)] = 0.0008
    gridSpacing: Annotated[float, WithinRange(0.5, 50)] = 3.0
    device: Device = Device.AUTO
    modelFile: str = ""
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = 0

    transform: vtkMRMLTransformNode
    inverse: vtkMRMLTransformNode
    warped: vtkMRMLScalarVolumeNode
    determinant: vtkMRMLScalarVolumeNode
    folds: vtkMRMLSegmentationNode
    quality: vtkMRMLTableNode
    lungFunction: bool = False
    inhale: Inhale = Inhale.AUTO
    ventilationJacobian: vtkMRMLScalarVolumeNode
    ventilationDensity: vtkMRMLScalarVolumeNode
    parametricResponse: vtkMRMLLabelMapVolumeNode

    livePreview: bool = True
    compare: Compare = Compare.FIXED
    overlay: bool = False
    lungMap: LungMap = LungMap.NONE
    overlayOpacity: Annotated[float, WithinRange(0, 1)] = 0.6
    foldThreshold: Annotated[float, WithinRange(0, 1)] = 0.0


VOLUMES = ("fixedVolume", "movingVolume")
INPUTS = (
    "fixedMask",
    "movingMask",
    "initialTransform",
    "fixedLandmarks",
    "movingLandmarks",
)
OUTPUTS = (
    "transform",
    "inverse",
    "warped",
    "determinant",
    "folds",
    "quality",
    "ventilationJacobian",
    "ventilationDensity",
    "parametricResponse",
)
NODES = (*VOLUMES, *INPUTS, *OUTPUTS)


def chosen_inputs(parameters) -> dict[str, object]:
    """The optional inputs and the settings, as the logic's functions take them."""
    settings = {
        "preset": parameters.preset.value,
        "iterations": parameters.iterations,
        "optimise": parameters.optimise.value,
        "similarity_sampling_ratio": parameters.similaritySamplingRatio,
        "regularity_sampling_ratio": parameters.regularitySamplingRatio,
        "grid_spacing_mm": parameters.gridSpacing,
        "device": parameters.device.value,
        "seed": parameters.seed,
        "modelFile": parameters.modelFile.strip() or None,
        "lungFunction": parameters.lungFunction,
        "inhale": None if parameters.inhale is Inhale.AUTO else parameters.inhale.value,
    }
    return {**{name: getattr(parameters, name) for name in INPUTS}, **settings}
