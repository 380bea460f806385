"""At which spacing images are compared, and how many points are drawn there."""

import pytest

from NePhiCore.geometry import ImageGeometry
from NePhiCore.scales import SCALES, compared_spacing, sampled_alike
from NePhiCore.settings import settings_for

COARSEST_MM, FINEST_MM = SCALES[0].spacing_mm, SCALES[-1].spacing_mm


def image(*spacing_mm: float) -> ImageGeometry:
    return ImageGeometry.from_spacing((40, 40, 40), spacing_mm)


@pytest.mark.parametrize(
    ("spacings_mm", "compared_mm"),
    [
        pytest.param(((0.7, 0.7, 0.6), (0.8, 0.8, 1.0)), FINEST_MM, id="thin slices"),
        pytest.param(((0.6, 0.6, 2.5), (0.8, 0.8, 1.0)), 2.5, id="thick slices of the fixed image"),
        pytest.param(((0.8, 0.8, 1.0), (2.5, 0.6, 0.6)), 2.5, id="of the moving image, along another axis"),
        pytest.param(((0.7, 0.7, 5.0), (0.7, 0.7, 5.0)), COARSEST_MM, id="slices beyond the coarsest scale"),
    ],
)
def test_the_finest_scale_is_no_finer_than_the_slices(spacings_mm, compared_mm):
    images = [image(*spacing) for spacing in spacings_mm]
    assert compared_spacing(FINEST_MM, *images) == compared_mm
    assert compared_spacing(COARSEST_MM, *images) == COARSEST_MM


def test_thick_slices_do_not_cost_points():
    """Voxels of 2.5 mm are (2.5 / 2)^3 = 1.953125 times as large as those of 2 mm: that share of them is drawn."""
    thin, thick = image(0.7, 0.7, 1.0), image(1.4, 1.4, 2.5)
    settings = settings_for("accurate", similarity_sampling_ratio=0.01, regularity_sampling_ratio=0.7)
    assert sampled_alike(settings, thin, thin) == settings
    alike = sampled_alike(settings, thin, thick)
    assert FINEST_MM == 2.0 and alike.similarity_sampling_ratio == pytest.approx(0.01953125)
    assert alike.regularity_sampling_ratio == 1.0, "a share is never more than all"
    assert alike.seed == settings.seed and alike.iterations == settings.iterations
