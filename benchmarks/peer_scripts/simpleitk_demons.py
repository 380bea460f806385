"""SimpleITK alone: affine by correlation, then diffeomorphic demons over three levels, on the lungs."""

import SimpleITK as sitk
from peer_files import Case

LEVELS = ((4, 100), (2, 60), (1, 30))  # shrink factor, iterations


def affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.1, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetOptimizerAsGradientDescent(1.0, 200, 1e-6, 10)
    method.SetOptimizerScalesFromPhysicalShift()
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.AffineTransform(3), moments)
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moving)


def shrunk(image: sitk.Image, factor: int) -> sitk.Image:
    if factor == 1:
        return image
    smooth = sitk.SmoothingRecursiveGaussian(image, [factor * step / 2 for step in image.GetSpacing()])
    return sitk.Shrink(smooth, [factor] * 3)


def demons(fixed: sitk.Image, moving: sitk.Image, threads: int) -> sitk.Image:
    field = None
    for factor, iterations in LEVELS:
        images = shrunk(fixed, factor), shrunk(moving, factor)
        method = sitk.DiffeomorphicDemonsRegistrationFilter()
        method.SetNumberOfIterations(iterations)
        method.SetStandardDeviations(1.5)
        method.SetSmoothDisplacementField(True)
        method.SetNumberOfThreads(threads)
        start = [] if field is None else [sitk.Resample(field, images[0], sitk.Transform(), sitk.sitkLinear, 0.0)]
        field = method.Execute(*images, *start)
    return field


case = Case()
fixed, moving = case.lungs_alone()
near = affine(fixed, moving)
field = demons(fixed, sitk.Resample(moving, fixed, near, sitk.sitkLinear, 0.0), case.threads)
both = sitk.CompositeTransform(3)
both.AddTransform(near)
both.AddTransform(sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64)))
case.write_transform(both)
