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


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"#Insight Transform File V1.0\n"])
def test_what_is_no_transform_is_left_to_itk(tmp_path, content):
    (tmp_path / "t.tfm").write_bytes(content)
    check_text_transform(tmp_path / "t.tfm", "initial transform")


def test_a_transform_that_is_cut_short_is_refused_for_itk_takes_it_for_the_identity(tmp_path):
    path, shift = tmp_path / "t.tfm", sitk.TranslationTransform(3, (10.0, 20.0, 30.0))
    sitk.WriteTransform(sitk.AffineTransform(shift.GetDimension()), str(path))
    lines = path.read_text().splitlines(keepends=True)
    check_text_transform(path, "initial transform")
    for missing in ("Parameters:", "FixedParameters:"):
        path.write_text("".join(line for line in lines if not line.startswith(missing)))
        with pytest.raises(InvalidTransformError, match="is cut short"):
            check_text_transform(path, "initial transform")


def test_two_transforms_that_are_not_composed_are_refused_for_itk_takes_the_first(tmp_path):
    path = tmp_path / "t.tfm"
    sitk.WriteTransform(sitk.TranslationTransform(3, (10.0, 20.0, 30.0)), str(path))
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, *rest, *rest]))
    assert sitk.ReadTransform(str(path)).TransformPoint((0.0, 0.0, 0.0)) == (10.0, 20.0, 30.0)
    with pytest.raises(InvalidTransformError, match="2 transforms that are not composed"):
        check_text_transform(path, "initial transform")
