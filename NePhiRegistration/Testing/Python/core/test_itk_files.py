from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from file_size_limit import files_of_at_most
from geometry_cases import random_hu
from memory_cases import OUT_OF_MEMORY, raises

from NePhiCore.errors import DeviceMemoryError, InvalidVolumeError, OutputError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.itk_files import check_image_suffix, read_header, read_voxels, write_image

FORMATS = [".nrrd", ".nii", ".nii.gz", ".mha"]
GEOMETRY = ImageGeometry.from_spacing((9, 10, 11), (1, 1, 2))


FOUR_AXES = {
    "TransformMatrix": "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
    "Offset": "0 0 0 0",
    "ElementSpacing": "1 1 1 1",
}


def read(path: Path) -> sitk.Image:
    return read_voxels(read_header(path, "fixed"), "fixed")


def meta_image(path: Path, **changes: str) -> Path:
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "0 0 0",
        "ElementSpacing": "1 1 1",
        "DimSize": "8 8 8",
        "ElementType": "MET_SHORT",
        **changes,
        "ElementDataFile": "LOCAL",
    }
    path.write_bytes("".join(f"{key} = {value}\n" for key, value in fields.items()).encode() + bytes(2 * 8**3))
    return path


def test_the_header_made_here_is_a_good_one(tmp_path):
    assert read(meta_image(tmp_path / "ct.mha")).GetSize() == (8, 8, 8)


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"ElementSpacing": "0 1 1"}, "spacing .* positive"),
        ({"ElementSpacing": "-1 1 1"}, "spacing .* positive"),
        ({"ElementSpacing": "nan 1 1"}, "spacing .* positive"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "axes independent"),
        ({"DimSize": "8 0 8"}, "8 x 0 x 8 voxels"),
        ({"DimSize": "100000 100000 100000"}, "GiB"),
        ({"DimSize": "8 8", "NDims": "2"}, "size 8 x 8; a three-dimensional"),
        ({"DimSize": "8 8 4 2", "NDims": "4", **FOUR_AXES}, "size 8 x 8 x 4 x 2; .* Split a time series"),
    ],
)
def test_refuses_an_impossible_header_without_reading_voxels(tmp_path, changes, complaint):
    with pytest.raises(InvalidVolumeError, match=f"fixed: .*{complaint}"):
        read_header(meta_image(tmp_path / "ct.mha", **changes), "fixed")


def test_says_what_is_wrong_with_a_sheared_nifti(tmp_path):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(random_hu()), str(path))
    header = bytearray(path.read_bytes())
    header[252:256] = bytes([0, 0, 1, 0])  # qform_code 0, sform_code 1
    header[280:328] = np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "<f4").tobytes()
    path.write_bytes(header)
    with pytest.raises(InvalidVolumeError, match="not at right angles .* Resample"):
        read_header(path, "fixed")


@pytest.mark.parametrize("suffix", [*FORMATS, ".png", ".dcm", ".h5", ""])
@pytest.mark.parametrize(
    "content", [b"", b"patient, age\n" * 50, bytes(range(256)) * 4], ids=["empty", "text", "bytes"]
)
def test_a_file_that_is_no_image_gets_one_clear_line(tmp_path, capfd, suffix, content):
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(content)
    with pytest.raises(InvalidVolumeError, match="^fixed: .* is not an image that can be read"):
        read(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("is_compressed", [True, False], ids=["compressed", "raw"])
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("missing", [20, 700])
def test_finds_a_truncated_file(tmp_path, capfd, suffix, is_compressed, missing):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(random_hu()), str(path), useCompression=is_compressed)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InvalidVolumeError, match="fixed: .*(truncated|damaged)"):
        read(path)
    assert capfd.readouterr() == ("", "")


def test_a_header_without_its_voxel_file_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(random_hu()), str(tmp_path / "ct.mhd"))
    (tmp_path / "ct.raw").unlink()
    with pytest.raises(InvalidVolumeError, match="fixed: "):
        read(tmp_path / "ct.mhd")


@pytest.mark.parametrize("name, complaint", [("missing.nii", "does not exist"), (".", "is not a file")])
def test_refuses_what_is_not_there(tmp_path, name, complaint):
    with pytest.raises(InvalidVolumeError, match=f"fixed: .* {complaint}"):
        read_header(tmp_path / name, "fixed")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("missing", [1, 9, 1000])
def test_a_disk_that_fills_up_is_noticed(tmp_path, capfd, suffix, missing):
    """ITK's NIfTI writer never notices, its NRRD writer not always."""
    voxels = random_hu()
    write_image(tmp_path / f"whole{suffix}", voxels, GEOMETRY)
    size = (tmp_path / f"whole{suffix}").stat().st_size
    path = tmp_path / f"ct{suffix}"
    with files_of_at_most(size - missing), pytest.raises(OutputError, match="disk full"):
        write_image(path, voxels, GEOMETRY)
    write_image(path, voxels, GEOMETRY)
    assert path.stat().st_size == size
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_no_memory_for_the_voxels_is_not_called_a_damaged_file(tmp_path, monkeypatch, suffix, error):
    path = tmp_path / f"ct{suffix}"
    write_image(path, random_hu(), GEOMETRY)
    monkeypatch.setattr(sitk.ImageFileReader, "Execute", raises(error))
    with pytest.raises(DeviceMemoryError):
        read(path)


@pytest.mark.parametrize("step", ["ImageFileReader.Execute", "WriteImage", "GetImageFromArray"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_no_memory_to_write_is_not_called_a_full_disk(tmp_path, monkeypatch, step, error):
    voxels = random_hu()
    monkeypatch.setattr(f"SimpleITK.{step}", raises(error))
    with pytest.raises(DeviceMemoryError):
        write_image(tmp_path / "ct.nrrd", voxels, GEOMETRY)


def test_zeros_at_the_end_do_not_hide_a_truncated_file(tmp_path):
    with files_of_at_most(352 + 1000), pytest.raises(OutputError):
        write_image(tmp_path / "zeros.nii", np.zeros((9, 10, 11), np.int16), GEOMETRY)


def test_refuses_to_write_nan(tmp_path):
    voxels = random_hu().astype(np.float32)
    voxels[1, 2, 3] = np.nan
    with pytest.raises(OutputError, match="NaN"):
        write_image(tmp_path / "jacobian.nii.gz", voxels, GEOMETRY)


def test_writes_compressed(tmp_path):
    write_image(tmp_path / "ct.nrrd", np.zeros((50, 50, 50), np.int16), GEOMETRY.from_spacing((50, 50, 50), (1, 1, 1)))
    assert (tmp_path / "ct.nrrd").stat().st_size < 5000


@pytest.mark.parametrize("name", ["ct.mhd", "ct.nhdr", "ct.png", "ct", "ct.gz"])
def test_refuses_formats_of_two_files_or_two_dimensions(name):
    with pytest.raises(OutputError, match="must end in one of .nrrd, .nii, .nii.gz, .mha"):
        check_image_suffix(name)


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="could not be written"):
        write_image(tmp_path / "missing" / "ct.nrrd", random_hu(), GEOMETRY)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("change", [lambda image: image + 1, lambda image: sitk.Cast(image, sitk.sitkUInt16)])
def test_a_file_that_holds_something_else_is_noticed(tmp_path, monkeypatch, suffix, change):
    write = sitk.WriteImage
    monkeypatch.setattr(sitk, "WriteImage", lambda image, *options, **more: write(change(image), *options, **more))
    with pytest.raises(OutputError, match="differs from what was written"):
        write_image(tmp_path / f"ct{suffix}", np.abs(random_hu()), GEOMETRY)


@pytest.mark.parametrize("suffix", FORMATS)
def test_vectors_are_compared_too(tmp_path, monkeypatch, suffix):
    vectors, write = np.random.default_rng(0).normal(size=(*GEOMETRY.shape_kji, 3)).astype(np.float32), sitk.WriteImage

    def write_other(image, *options, **more):
        other = sitk.GetImageFromArray(-sitk.GetArrayFromImage(image), isVector=True)
        other.CopyInformation(image)
        write(other, *options, **more)

    write_image(tmp_path / f"field{suffix}", vectors, GEOMETRY, is_vector=True)
    monkeypatch.setattr(sitk, "WriteImage", write_other)
    with pytest.raises(OutputError, match="differs from what was written"):
        write_image(tmp_path / f"other{suffix}", vectors, GEOMETRY, is_vector=True)
