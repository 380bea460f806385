"""elastix with Par0011 of its model zoo (Staring et al., EMPIRE10): affine, B-splines of 10 mm, then 5 mm in the lungs.

The number of threads is set for all of ITK: the method's own setting crashes its B-spline stages.
"""

import os
import tempfile
from pathlib import Path

import itk
import numpy as np
import SimpleITK as sitk
from peer_files import Case

COMMON = {
    "FixedInternalImagePixelType": "float",
    "MovingInternalImagePixelType": "float",
    "FixedImageDimension": "3",
    "MovingImageDimension": "3",
    "FixedImagePyramid": "FixedRecursiveImagePyramid",
    "MovingImagePyramid": "MovingRecursiveImagePyramid",
    "Optimizer": "AdaptiveStochasticGradientDescent",
    "ResampleInterpolator": "FinalBSplineInterpolator",
    "Resampler": "DefaultResampler",
    "Interpolator": "BSplineInterpolator",
    "BSplineInterpolationOrder": "1",
    "FinalBSplineInterpolationOrder": "1",
    "HowToCombineTransforms": "Compose",
    "AutomaticParameterEstimation": "true",
    "UseAdaptiveStepSizes": "true",
    "ImageSampler": "RandomCoordinate",
    "NumberOfSpatialSamples": "2000",
    "NewSamplesEveryIteration": "true",
    "UseRandomSampleRegion": "false",
    "MaximumNumberOfSamplingAttempts": "50",
    "DefaultPixelValue": "-1000",
    "WriteResultImage": "false",
    "UseDirectionCosines": "true",
    "RequiredRatioOfValidSamples": "0.05",
}
SMALLEST_SIDE = 12  # voxels that a level must keep along each axis


def in_itk(image: sitk.Image, pixel=None):
    array = sitk.GetArrayFromImage(image)
    result = itk.image_from_array(np.ascontiguousarray(array if pixel is None else array.astype(pixel)))
    result.SetOrigin(image.GetOrigin())
    result.SetSpacing(image.GetSpacing())
    result.SetDirection(itk.matrix_from_array(np.array(image.GetDirection()).reshape(3, 3)))
    return result


def stage(case: Case, pyramid: list[int], iterations: int, **changes: list[str]) -> dict[str, list[str]]:
    smallest = min(case.fixed.GetSize() + case.moving.GetSize())
    pyramid = [max(1, min(level, smallest // SMALLEST_SIDE)) for level in pyramid]
    return {
        **{name: [value] for name, value in COMMON.items()},
        "NumberOfResolutions": [str(len(pyramid))],
        "ImagePyramidSchedule": [str(level) for level in pyramid for _ in range(3)],
        "MaximumNumberOfIterations": [str(iterations)],
        **changes,
    }


def bsplines(grid_mm: float, schedule: list[int], **more: list[str]) -> dict[str, list[str]]:
    return {
        "Registration": ["MultiMetricMultiResolutionRegistration"],
        "Metric": ["AdvancedNormalizedCorrelation", "TransformBendingEnergyPenalty"],
        "Transform": ["BSplineTransform"],
        "FinalGridSpacingInPhysicalUnits": [str(grid_mm)] * 3,
        "GridSpacingSchedule": [str(step) for step in schedule for _ in range(3)],
        "UseRelativeWeights": ["true"],
        "Metric0RelativeWeight": ["1.0"],
        "Metric1RelativeWeight": ["0.05"],
        **more,
    }


AFFINE = {
    "Registration": ["MultiResolutionRegistration"],
    "Metric": ["AdvancedNormalizedCorrelation"],
    "Transform": ["AffineTransform"],
    "AutomaticScalesEstimation": ["true"],
    "AutomaticTransformInitialization": ["true"],
}


def registered(images, stages, mask=None, initial: str | None = None):
    """The parameter maps of the transforms found."""
    parameters = itk.ParameterObject.New()
    for parameter_map in stages:
        parameters.AddParameterMap(parameter_map)
    method = itk.ElastixRegistrationMethod.New(*images)
    method.SetParameterObject(parameters)
    method.SetLogToConsole(False)
    if mask is not None:
        method.SetFixedMask(mask)
    if initial is not None:
        method.SetInitialTransformParameterFileName(initial)
    method.UpdateLargestPossibleRegion()
    found = method.GetTransformParameterObject()
    return [found.GetParameterMap(n) for n in range(found.GetNumberOfParameterMaps())]


def write_chain(maps, folder: str) -> str:
    """Parameter files that name each other; the last one's path."""
    before = "NoInitialTransform"
    for number, parameter_map in enumerate(maps):
        parameter_map["InitialTransformParameterFileName"] = [before]
        before = str(Path(folder, f"TransformParameters.{number}.txt"))
        one = itk.ParameterObject.New()
        one.AddParameterMap(parameter_map)
        one.WriteParameterFile(before)
    return before


case = Case()
case.output = os.path.abspath(case.output)
itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(case.threads)
images = in_itk(case.fixed), in_itk(case.moving)
coarse = registered(
    images,
    [
        stage(case, [16, 8, 4, 2, 1], 1000, **AFFINE),
        stage(case, [16, 8, 4, 2, 1], 1000, **bsplines(10.0, [8, 8, 4, 2, 1])),
    ],
)
with tempfile.TemporaryDirectory() as folder:
    erosion = ["false", "false", "true", "true", "true"]
    in_lungs = bsplines(5.0, [16, 8, 4, 2, 1], ErodeFixedMask=erosion)
    lungs = in_itk(case.fixed_lungs, np.uint8)
    fine = registered(images, [stage(case, [4, 3, 2, 1, 1], 2000, **in_lungs)], lungs, write_chain(coarse, folder))
    whole = itk.ParameterObject.New()
    for parameter_map in (*coarse, fine[-1]):
        whole.AddParameterMap(parameter_map)
    os.chdir(folder)  # transformix leaves its field in the working directory too
    field = itk.transformix_deformation_field(images[1], whole)
    case.write_field(itk.array_from_image(field))
    os.chdir("/")
