import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from file_size_limit import files_of_at_most
from geometry_cases import DIRECTIONS_LPS, every_direction, itk_points_ras_mm, place, random_hu
from memory_cases import OUT_OF_MEMORY, raises

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.errors import DeviceMemoryError, InvalidTransformError, OutputError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.transform_io import read_displacement, read_initial_transform, write_displacement

FORMATS = [".h5", ".hdf5", ".nrrd", ".nii", ".nii.gz", ".mha"]


def field_on(direction_lps: np.ndarray) -> DisplacementField:
    """A field whose value at a point is known: u_ras = (0.1 x, 0.2 y + 3, -0.05 z - 0.1 x) mm at RAS (x, y, z)."""
    points = itk_points_ras_mm(place(sitk.GetImageFromArray(random_hu()), direction_lps))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([points[0, 0, 1], points[0, 1, 0], points[1, 0, 0]], 1) - points[0, 0, 0][:, None]
    matrix[:3, 3] = points[0, 0, 0]
    return DisplacementField(known_displacement(points).astype(np.float32), ImageGeometry(points.shape[:3], matrix))


def known_displacement(points_ras_mm: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(points_ras_mm, -1, 0)
    return np.stack([0.1 * x, 0.2 * y + 3, -0.05 * z - 0.1 * x], -1)


def points_inside(field: DisplacementField, count: int = 50) -> np.ndarray:
    """(N, 3) RAS mm between the voxel centres of a field."""
    last_ijk = np.array(field.geometry.shape_kji[::-1]) - 1
    points_ijk = np.random.default_rng(1).uniform(0, last_ijk, (count, 3))
    return points_ijk @ field.geometry.ijk_to_ras[:3, :3].T + field.geometry.origin_ras_mm


def mapped_by_itk(transform: sitk.Transform, points_ras_mm: np.ndarray) -> np.ndarray:
    """(N, 3) RAS mm -> (N, 3) RAS mm, point by point, with the flips written out."""
    mapped = [transform.TransformPoint((-x, -y, z)) for x, y, z in points_ras_mm.tolist()]
    return np.array([(-left, -posterior, superior) for left, posterior, superior in mapped])


def itk_transform_of(path: Path) -> sitk.Transform:
    if path.suffix in (".h5", ".hdf5"):
        return sitk.ReadTransform(str(path))
    return sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))


@every_direction
@pytest.mark.parametrize("suffix", FORMATS)
def test_itk_maps_points_as_the_field_does(tmp_path, suffix, direction_lps):
    field = field_on(direction_lps)
    write_displacement(tmp_path / f"t{suffix}", field)
    points = points_inside(field)
    mapped = mapped_by_itk(itk_transform_of(tmp_path / f"t{suffix}"), points)
    np.testing.assert_allclose(mapped, points + known_displacement(points), atol=1e-3)


@every_direction
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_field_comes_back_as_it_was(tmp_path, suffix, direction_lps):
    field = field_on(direction_lps)
    write_displacement(tmp_path / f"t{suffix}", field)
    back = read_displacement(tmp_path / f"t{suffix}")
    np.testing.assert_array_equal(back.displacement_ras_mm, field.displacement_ras_mm)
    assert back.geometry.is_same_grid(field.geometry, tolerance_mm=1e-3)


def test_a_nifti_field_in_slicers_convention_reads_the_same(tmp_path):
    """3D Slicer writes RAS vectors with intent 1006; SimpleITK writes LPS vectors with intent 1007."""
    field = field_on(DIRECTIONS_LPS["LAS"])
    path = tmp_path / "t.nii"
    write_displacement(path, field)
    content = bytearray(path.read_bytes())
    assert struct.unpack_from("<h", content, 68) == (1007,)
    struct.pack_into("<h", content, 68, 1006)
    vectors = np.frombuffer(content, "<f4", offset=352).reshape(3, -1)  # a view: x of all voxels, then y, then z
    vectors[:2] *= -1
    path.write_bytes(content)
    np.testing.assert_array_equal(read_displacement(path).displacement_ras_mm, field.displacement_ras_mm)


def test_the_transform_file_is_double_precision(tmp_path):
    write_displacement(tmp_path / "t.h5", field_on(np.eye(3)))
    assert b"DisplacementFieldTransform_double_3_3" in (tmp_path / "t.h5").read_bytes()


@pytest.mark.parametrize(
    "name, complaint", [("t.tfm", "Write .h5"), ("t.mhd", "end in one of"), ("t", "end in one of")]
)
def test_refuses_other_formats(tmp_path, name, complaint):
    with pytest.raises(OutputError, match=complaint):
        write_displacement(tmp_path / name, field_on(np.eye(3)))


@pytest.mark.parametrize("suffix", [".h5", ".nii.gz"])
@pytest.mark.parametrize("missing", [1, 2000])
def test_a_disk_that_fills_up_is_noticed(tmp_path, capfd, suffix, missing):
    field = field_on(np.eye(3))
    write_displacement(tmp_path / f"whole{suffix}", field)
    size = (tmp_path / f"whole{suffix}").stat().st_size
    with files_of_at_most(size - missing), pytest.raises(OutputError, match="disk full"):
        write_displacement(tmp_path / f"t{suffix}", field)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("step", ["GetImageFromArray", "WriteTransform", "ReadTransform"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_no_memory_to_write_is_not_called_a_full_disk(tmp_path, monkeypatch, step, error):
    field = field_on(np.eye(3))
    monkeypatch.setattr(sitk, step, raises(error))
    with pytest.raises(DeviceMemoryError):
        write_displacement(tmp_path / "t.h5", field)


@pytest.mark.parametrize("step", ["ReadTransform", "DisplacementFieldTransform.GetDisplacementField"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_no_memory_for_a_transform_is_not_called_a_damaged_file(tmp_path, monkeypatch, step, error):
    write_displacement(tmp_path / "t.h5", field_on(np.eye(3)))
    monkeypatch.setattr(f"SimpleITK.{step}", raises(error))
    with pytest.raises(DeviceMemoryError):
        read_initial_transform(tmp_path / "t.h5")


def test_a_full_disk_does_not_crash_the_process_at_its_end(tmp_path):
    """HDF5 would: it keeps a file open that it could not finish, and meets it again when Python exits."""
    code = (
        "import sys, numpy as np\n"
        "from file_size_limit import files_of_at_most\n"
        "from test_transform_io import OutputError, field_on, write_displacement\n"
        "try:\n"
        "    with files_of_at_most(20_000): write_displacement(sys.argv[1], field_on(np.eye(3)))\n"
        "except OutputError: print('refused')\n"
    )
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    command = [sys.executable, "-c", code, str(tmp_path / "t.h5")]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "refused\n", "")


def euler() -> sitk.Transform:
    return sitk.Euler3DTransform((10, -20, 30), 0.2, -0.1, 0.4, (5, -7, 11))


def affine() -> sitk.Transform:
    return sitk.AffineTransform((1.1, 0.2, 0, -0.1, 0.9, 0.05, 0, 0.3, 1.2), (1, 2, 3), (50, 40, -30))


def bspline() -> sitk.Transform:
    transform = sitk.BSplineTransformInitializer(place(sitk.GetImageFromArray(random_hu()), np.eye(3)), (4, 4, 4))
    transform.SetParameters(np.random.default_rng(2).normal(0, 2, len(transform.GetParameters())).tolist())
    return transform


def displacement(tmp_path: Path) -> sitk.Transform:
    write_displacement(tmp_path / "field.h5", field_on(np.eye(3)))
    return sitk.ReadTransform(str(tmp_path / "field.h5"))


def read_back(transform: sitk.Transform, path: Path):
    sitk.WriteTransform(transform, str(path))
    return read_initial_transform(path)


@pytest.mark.parametrize("suffix", [".h5", ".tfm", ".mat"])
@pytest.mark.parametrize(
    "transform",
    [
        euler(),
        affine(),
        sitk.TranslationTransform(3, (1, -2, 3)),
        sitk.VersorRigid3DTransform((0, 0, 0.6, 0.8), (1, 2, 3), (4, 5, 6)),
    ],
    ids=lambda t: t.GetName(),
)
def test_a_linear_transform_becomes_a_matrix(tmp_path, suffix, transform):
    initial = read_back(transform, tmp_path / f"t{suffix}")
    points = np.random.default_rng(0).normal(0, 100, (20, 3))
    expected = mapped_by_itk(transform, points)
    np.testing.assert_allclose(initial.map_points_ras_mm(points), expected, atol=1e-9)
    np.testing.assert_allclose(points @ initial.matrix_ras[:3, :3].T + initial.matrix_ras[:3, 3], expected, atol=1e-9)


def test_a_shift_to_the_left_is_minus_x_in_ras(tmp_path):
    initial = read_back(sitk.TranslationTransform(3, (10, 20, 30)), tmp_path / "t.h5")
    np.testing.assert_array_equal(initial.map_points_ras_mm(np.zeros((1, 3))), [[-10, -20, 30]])


def test_a_transform_of_ants_is_read(tmp_path):
    """ANTs writes a class that SimpleITK knows only wrapped into a composite."""
    sitk.WriteTransform(affine(), str(tmp_path / "a.tfm"))
    text = (tmp_path / "a.tfm").read_text()
    (tmp_path / "a.tfm").write_text(text.replace("AffineTransform_double", "MatrixOffsetTransformBase_double"))
    initial = read_initial_transform(tmp_path / "a.tfm")
    points = np.random.default_rng(0).normal(0, 100, (20, 3))
    np.testing.assert_allclose(initial.map_points_ras_mm(points), mapped_by_itk(affine(), points), atol=1e-9)


def test_linear_composites_are_applied_in_itks_order(tmp_path):
    composite = sitk.CompositeTransform([euler(), affine()])
    initial = read_back(composite, tmp_path / "t.h5")
    points = np.random.default_rng(0).normal(0, 100, (20, 3))
    assert initial.matrix_ras is not None
    np.testing.assert_allclose(initial.map_points_ras_mm(points), mapped_by_itk(composite, points), atol=1e-9)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_composites_with_a_field_are_applied_in_itks_order(tmp_path, order):
    parts = [sitk.TranslationTransform(3, (0.5, -0.25, 1)), displacement(tmp_path)]
    composite = sitk.CompositeTransform([parts[i] for i in order])
    initial = read_back(composite, tmp_path / "t.h5")
    points = points_inside(field_on(np.eye(3))) * 0.9 + 0.1 * field_on(np.eye(3)).geometry.corners_ras_mm().mean(0)
    assert initial.matrix_ras is None
    np.testing.assert_allclose(initial.map_points_ras_mm(points), mapped_by_itk(composite, points), atol=1e-3)


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_bspline_is_read_alone_and_in_a_composite(tmp_path, is_wrapped):
    transform = sitk.CompositeTransform([bspline()]) if is_wrapped else bspline()
    initial = read_back(transform, tmp_path / "t.h5")
    points = points_inside(field_on(np.eye(3)))
    expected = mapped_by_itk(transform, points)
    assert np.abs(expected - points).max() > 1
    np.testing.assert_allclose(initial.map_points_ras_mm(points), expected, atol=1e-9)
    assert initial.map_points_ras_mm(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("suffix", [".h5", ".nrrd", ".nii.gz", ".mha"])
def test_a_displacement_field_is_an_initial_transform(tmp_path, suffix):
    field = field_on(DIRECTIONS_LPS["oblique left-handed"])
    write_displacement(tmp_path / f"t{suffix}", field)
    initial = read_initial_transform(tmp_path / f"t{suffix}")
    points = points_inside(field)
    assert initial.matrix_ras is None
    np.testing.assert_allclose(initial.map_points_ras_mm(points), points + known_displacement(points), atol=1e-3)


def test_beyond_the_grid_the_edge_value_is_repeated(tmp_path):
    write_displacement(tmp_path / "t.h5", field_on(np.eye(3)))
    initial = read_initial_transform(tmp_path / "t.h5")
    corner = field_on(np.eye(3)).geometry.corners_ras_mm()[:1]
    outward = corner - field_on(np.eye(3)).geometry.corners_ras_mm().mean(0)
    far = corner + 3 * outward
    np.testing.assert_allclose(initial.map_points_ras_mm(far), far + known_displacement(corner), atol=1e-3)


def test_refuses_nan(tmp_path):
    for name, transform in {"t.h5": sitk.TranslationTransform(3, (np.nan, 0, 0)), "b.h5": bspline()}.items():
        if name == "b.h5":
            transform.SetParameters([np.nan] * len(transform.GetParameters()))
        with pytest.raises(InvalidTransformError, match=f"initial transform: .*{name}: .*NaN"):
            read_back(transform, tmp_path / name)


def test_refuses_a_field_with_nan(tmp_path):
    vectors = np.zeros((9, 10, 11, 3))
    vectors[1, 2, 3, 0] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(vectors, isVector=True), str(tmp_path / "t.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(vectors, isVector=True), str(tmp_path / "t.nrrd"))
    sitk.WriteTransform(
        sitk.DisplacementFieldTransform(sitk.GetImageFromArray(vectors, isVector=True)), str(tmp_path / "t.h5")
    )
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InvalidTransformError, match=f"initial transform: .*{path.name}.*NaN"):
            read_initial_transform(path)


def test_refuses_a_transform_that_flattens_the_patient(tmp_path):
    path = tmp_path / "t.tfm"
    sitk.WriteTransform(affine(), str(path))
    lines = path.read_text().splitlines()
    lines[3] = "Parameters: 1 0 0 0 1 0 0 0 0 0 0 0"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidTransformError, match="cannot be inverted"):
        read_initial_transform(path)


@pytest.mark.parametrize(
    "known, unknown, complaint",
    [
        ("DisplacementField", "ConstantVelocityField", "a velocity field as a part"),
        ("DisplacementField", "GaussianExponentialDiffeomorphic", "a velocity field as a part"),
        ("Affine", "ScalableAffine", "a part that SimpleITK cannot use"),
    ],
)
def test_refuses_a_composite_with_a_part_that_simpleitk_has_no_class_for(tmp_path, known, unknown, complaint):
    path = tmp_path / "t.tfm"
    sitk.WriteTransform(sitk.CompositeTransform([affine(), displacement(tmp_path)]), str(path))
    path.write_text(path.read_text().replace(f": {known}Transform", f": {unknown}Transform"))
    with pytest.raises(InvalidTransformError, match=f"initial transform: .*{complaint}"):
        read_initial_transform(path)


def test_refuses_two_dimensions(tmp_path):
    with pytest.raises(InvalidTransformError, match="2 dimensions, expected 3"):
        read_back(sitk.AffineTransform(2), tmp_path / "t.h5")


def test_refuses_what_is_not_there(tmp_path):
    with pytest.raises(InvalidTransformError, match="does not exist"):
        read_initial_transform(tmp_path / "t.h5")
    with pytest.raises(InvalidTransformError, match="does not exist"):
        read_initial_transform(tmp_path / "t.nrrd")


def test_refuses_a_ct_as_a_transform(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(random_hu()), str(tmp_path / "ct.nrrd"))
    with pytest.raises(InvalidTransformError, match="holds 1 numbers in a voxel .* expected 3"):
        read_initial_transform(tmp_path / "ct.nrrd")


@pytest.mark.parametrize(
    "content", [b"", b"#Insight Transform File V1.0\n", b"\x89HDF\r\n\x1a\n" + bytes(100), b"x,y,z\n"]
)
@pytest.mark.parametrize("suffix", [".h5", ".tfm", ".nrrd", ".xyz"])
def test_a_file_that_is_no_transform_gets_one_clear_line(tmp_path, capfd, suffix, content):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(InvalidTransformError, match="^initial transform: "):
        read_initial_transform(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_finds_a_truncated_transform(tmp_path, capfd, kept):
    path = tmp_path / "t.h5"
    write_displacement(path, field_on(np.eye(3)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InvalidTransformError, match="truncated"):
        read_initial_transform(path)
    assert capfd.readouterr() == ("", "")


def test_a_linear_transform_is_no_displacement_field(tmp_path):
    sitk.WriteTransform(affine(), str(tmp_path / "t.h5"))
    with pytest.raises(InvalidTransformError, match="holds one of type AffineTransform, expected a displacement field"):
        read_displacement(tmp_path / "t.h5")
