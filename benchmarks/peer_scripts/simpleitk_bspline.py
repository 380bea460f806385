"""SimpleITK alone: affine, then B-splines of 40, 20 and 10 mm by correlation in the fixed lungs, L-BFGS."""

import SimpleITK as sitk
from peer_files import Case

GRID_MM, ITERATIONS, SAMPLED_SHARE = 10.0, 60, 0.1


def registration(case: Case, shrink: list[int], smooth: list[float]) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLED_SHARE, 7)
    method.SetMetricFixedMask(sitk.BinaryDilate(case.fixed_lungs, [3, 3, 3]))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel(smooth)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    return method


case = Case()
moments = sitk.CenteredTransformInitializerFilter.MOMENTS
affine = sitk.AffineTransform(sitk.CenteredTransformInitializer(*case.lungs_alone(), sitk.AffineTransform(3), moments))
method = registration(case, [4, 2], [2, 1])
method.SetOptimizerAsGradientDescent(1.0, 200, 1e-6, 10)
method.SetOptimizerScalesFromPhysicalShift()
method.SetInitialTransform(affine, inPlace=True)
method.Execute(case.fixed, case.moving)

extents_mm = [n * step for n, step in zip(case.fixed.GetSize(), case.fixed.GetSpacing())]
meshes = [max(2, round(extent / GRID_MM / 4)) for extent in extents_mm]
splines = sitk.BSplineTransformInitializer(case.fixed, meshes, 3)
method = registration(case, [4, 2, 1], [2, 1, 0])
method.SetOptimizerAsLBFGS2(
    solutionAccuracy=1e-5,
    numberOfIterations=ITERATIONS,
    deltaConvergenceTolerance=1e-4,
    deltaConvergenceDistance=5,
)
method.SetInitialTransformAsBSpline(splines, inPlace=True, scaleFactors=[1, 2, 4])
method.SetMovingInitialTransform(affine)
method.Execute(case.fixed, case.moving)
both = sitk.CompositeTransform(3)
both.AddTransform(affine)
both.AddTransform(splines)
case.write_transform(both)
