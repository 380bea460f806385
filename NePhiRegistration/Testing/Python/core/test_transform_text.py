"""Grids of transforms in text."""

import pytest
import SimpleITK as sitk

from NePhiCore.errors import InvalidTransformError
from NePhiCore.transform_text import check_text_transform

LINES = "#Insight Transform File V1.0\n#Transform 0\nTransform: {kind}_double_3_3\n"
LINES += "Parameters: {given}\nFixedParameters: {fixed}\n"
PLACE = " 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1"


def test_transforms_as_itk_writes_them_pass(tmp_path):
    spline = sitk.BSplineTransformInitializer(sitk.Image(6, 6, 6, sitk.sitkFloat32), [2, 2, 2])
    for number, transform in enumerate([spline, sitk.AffineTransform(3), sitk.CompositeTransform([spline, spline])]):
        sitk.WriteTransform(transform, str(tmp_path / f"{number}.tfm"))
        check_text_transform(tmp_path / f"{number}.tfm", "initial transform")


@pytest.mark.parametrize(
    "kind", ["BSplineTransform", "DisplacementFieldTransform", "GaussianExponentialDiffeomorphicTransform"]
)
@pytest.mark.parametrize("size", ["1000000 1000000 1000000", "3 3 3", "-1e6 1e6 1e6", "inf 1 1", "nan 1 1"])
def test_a_grid_with_fewer_numbers_than_nodes_is_refused(tmp_path, kind, size):
    (tmp_path / "t.tfm").write_text(LINES.format(kind=kind, given="0 " * 20, fixed=size + PLACE))
    with pytest.raises(InvalidTransformError, match="20 numbers are given"):
        check_text_transform(tmp_path / "t.tfm", "initial transform")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Transform: BSpline\nFixedParameters: a b c\n"])
def test_what_is_no_transform_is_left_to_itk(tmp_path, content):
    (tmp_path / "t.tfm").write_bytes(content)
    check_text_transform(tmp_path / "t.tfm", "initial transform")
