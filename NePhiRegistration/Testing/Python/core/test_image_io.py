import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import DIRECTIONS_LPS, every_direction, itk_points_ras_mm, place, random_hu

from NePhiCore.errors import InvalidVolumeError, OutputError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import read_mask, read_volume, write_volume

FORMATS_READ = [".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"]
FORMATS_WRITTEN = [".nrrd", ".nii", ".nii.gz", ".mha"]
SHARED_DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"


@pytest.fixture
def ct_image() -> sitk.Image:
    return place(sitk.GetImageFromArray(random_hu()), DIRECTIONS_LPS["oblique left-handed"])


def write(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


@every_direction
@pytest.mark.parametrize("suffix", FORMATS_READ)
def test_reads_voxels_and_places_as_itk_does(tmp_path, suffix, direction_lps):
    image = place(sitk.GetImageFromArray(random_hu()), direction_lps)
    volume = read_volume(write(image, tmp_path / f"ct{suffix}"), "fixed")
    assert volume.name == "fixed"
    assert volume.hu.dtype == np.int16
    np.testing.assert_array_equal(volume.hu, random_hu())
    np.testing.assert_allclose(volume.geometry.points_ras_mm(), itk_points_ras_mm(image), atol=1e-3)


@every_direction
@pytest.mark.parametrize("suffix", FORMATS_WRITTEN)
def test_what_is_written_lies_where_itk_expects_it(tmp_path, suffix, direction_lps):
    image = place(sitk.GetImageFromArray(random_hu()), direction_lps)
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([-1, -1, 1]) @ direction_lps * image.GetSpacing()
    matrix[:3, 3] = itk_points_ras_mm(image)[0, 0, 0]
    write_volume(tmp_path / f"ct{suffix}", random_hu(), ImageGeometry((9, 10, 11), matrix))
    written = sitk.ReadImage(str(tmp_path / f"ct{suffix}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), random_hu())
    np.testing.assert_allclose(itk_points_ras_mm(written), itk_points_ras_mm(image), atol=1e-3)


@pytest.mark.parametrize(
    "stored, expected", [(np.uint8, np.uint8), (np.int32, np.int32), (np.float32, np.float32), (np.float64, np.float32)]
)
def test_keeps_the_stored_type_but_halves_double_precision(tmp_path, stored, expected):
    voxels = np.arange(9 * 10 * 11).reshape(9, 10, 11).clip(0, 200).astype(stored)
    assert read_volume(write(sitk.GetImageFromArray(voxels), tmp_path / "ct.nrrd")).hu.dtype == expected


def test_applies_the_rescaling_of_the_file(tmp_path, ct_image):
    path = write(ct_image, tmp_path / "ct.nii")
    header = bytearray(path.read_bytes())
    struct.pack_into("<2f", header, 112, 1.0, -1024.0)  # scl_slope, scl_inter
    path.write_bytes(header)
    np.testing.assert_array_equal(read_volume(path).hu, random_hu() - 1024)


def test_an_image_without_right_angles_keeps_its_shear(tmp_path, ct_image):
    ct_image.SetDirection((1, 0.5, 0, 0, 0.8, 0, 0, 0, 1))
    geometry = read_volume(write(ct_image, tmp_path / "ct.mha")).geometry
    np.testing.assert_allclose(geometry.points_ras_mm(), itk_points_ras_mm(ct_image), atol=1e-9)
    with pytest.raises(OutputError, match="right angles"):
        write_volume(tmp_path / "out.nii.gz", random_hu(), geometry)
    write_volume(tmp_path / "out.nrrd", random_hu(), geometry)
    assert read_volume(tmp_path / "out.nrrd").geometry.is_same_grid(geometry)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_nan_and_infinity(tmp_path, suffix, bad):
    voxels = random_hu().astype(np.float32)
    voxels[3, 4, 5] = bad
    with pytest.raises(InvalidVolumeError, match="fixed: 1 voxels .*are NaN or infinite"):
        read_volume(write(sitk.GetImageFromArray(voxels), tmp_path / f"ct{suffix}"), "fixed")


def test_refuses_a_constant_image(tmp_path):
    with pytest.raises(InvalidVolumeError, match="constant"):
        read_volume(write(sitk.Image(9, 9, 9, sitk.sitkInt16), tmp_path / "ct.nrrd"))


def test_refuses_colour(tmp_path, ct_image):
    path = write(sitk.Compose([ct_image] * 3), tmp_path / "ct.nrrd")
    with pytest.raises(InvalidVolumeError, match="holds 3 numbers in a voxel"):
        read_volume(path)


def test_refuses_complex_numbers(tmp_path, ct_image):
    real = sitk.Cast(ct_image, sitk.sitkFloat32)
    with pytest.raises(InvalidVolumeError, match="complex"):
        read_volume(write(sitk.RealAndImaginaryToComplex(real, real), tmp_path / "ct.nrrd"))


def test_a_mask_is_what_is_not_zero(tmp_path, ct_image):
    labels = np.zeros((9, 10, 11), np.uint8)
    labels[2:4, 3, 5] = (1, 7)
    mask_image = sitk.GetImageFromArray(labels)
    mask_image.CopyInformation(ct_image)
    geometry = read_volume(write(ct_image, tmp_path / "ct.nrrd")).geometry
    mask = read_mask(write(mask_image, tmp_path / "mask.nii.gz"), geometry)
    assert mask.dtype == bool
    np.testing.assert_array_equal(np.argwhere(mask), [[2, 3, 5], [3, 3, 5]])


def test_writes_a_mask_as_bytes(tmp_path, ct_image):
    geometry = read_volume(write(ct_image, tmp_path / "ct.nrrd")).geometry
    mask = random_hu() > 0
    write_volume(tmp_path / "mask.nii.gz", mask, geometry)
    assert sitk.ReadImage(str(tmp_path / "mask.nii.gz")).GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii.gz", geometry), mask)


@pytest.mark.parametrize(
    "voxels, complaint",
    [(np.zeros((9, 10, 11), np.uint8), "empty"), (np.full((9, 10, 11), np.nan, np.float32), "NaN")],
)
def test_refuses_a_mask_that_marks_nothing(tmp_path, voxels, complaint):
    geometry = ImageGeometry((9, 10, 11), np.diag([-1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(InvalidVolumeError, match=f"fixed mask: .*{complaint}"):
        read_mask(write(sitk.GetImageFromArray(voxels), tmp_path / "mask.nrrd"), geometry, "fixed mask")


def test_refuses_a_mask_on_another_grid_and_says_both(tmp_path):
    path = write(sitk.GetImageFromArray(np.ones((9, 10, 11), np.uint8)), tmp_path / "mask.nrrd")
    with pytest.raises(InvalidVolumeError) as error:
        read_mask(path, ImageGeometry.from_spacing((9, 10, 12), (1, 1, 2.5)))
    for fact in (
        "11 x 10 x 9 voxels, spacing [1.0, 1.0, 1.0]",
        "12 x 10 x 9 voxels, spacing [1.0, 1.0, 2.5]",
        "Resample",
    ):
        assert fact in str(error.value)


@pytest.mark.parametrize("shift_mm, is_accepted", [(0.005, True), (0.05, False)])
def test_a_mask_may_differ_by_rounding_only(tmp_path, shift_mm, is_accepted):
    image = sitk.GetImageFromArray(np.ones((9, 10, 11), np.uint8))
    image.SetOrigin((shift_mm, 0, 0))
    path = write(image, tmp_path / "mask.nrrd")
    geometry = ImageGeometry((9, 10, 11), np.diag([-1.0, -1.0, 1.0, 1.0]))
    if is_accepted:
        assert read_mask(path, geometry).all()
    else:
        with pytest.raises(InvalidVolumeError, match="another grid"):
            read_mask(path, geometry)


def test_reads_real_ct_and_its_mask():
    pair = SHARED_DATA / "lung_pair"
    if not pair.is_dir():
        pytest.skip(f"the real lung CT pair is not at {pair}")
    volume = read_volume(pair / "baseline.nii.gz", "fixed")
    np.testing.assert_allclose(volume.geometry.spacing_mm, [1.3664, 1.3664, 2.5], atol=1e-3)
    mask = read_mask(pair / "baseline_mask.nii.gz", volume.geometry)
    assert -950 < volume.hu[mask].mean() < -600  # lung tissue, in HU
