"""ITK itself reads all of these files without an error; see the first test."""

import gzip
import struct
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.nifti_header import check_nifti, holds_voxels

VOXELS = np.random.default_rng(0).integers(-1000, 1000, (12, 14, 16)).astype(np.int16)
VOXEL_BYTES = 2 * VOXELS.size


@pytest.fixture(params=[".nii", ".nii.gz"])
def whole_file(tmp_path, request):
    path = tmp_path / f"ct{request.param}"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))
    return path


def test_itk_reads_a_truncated_file_without_an_error(whole_file):
    whole_file.write_bytes(whole_file.read_bytes()[:-1000])
    assert not np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(whole_file))), VOXELS)


@pytest.mark.parametrize("stored, at", [(np.float32, 0), (np.float64, -1)])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_voxels_that_are_no_numbers_are_found_though_itk_makes_them_0(whole_file, stored, at, bad):
    voxels = np.ones((50, 60, 70), stored)  # more than one chunk
    voxels.flat[at] = bad
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(whole_file))
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(whole_file))).flat[at] == 0
    with pytest.raises(InvalidVolumeError, match="fixed: 1 voxels .* are NaN or infinite"):
        check_nifti(whole_file, "fixed")


def test_a_whole_file_passes(whole_file):
    check_nifti(whole_file, "fixed")


@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_a_truncated_file_is_found(whole_file, kept):
    content = whole_file.read_bytes()
    whole_file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InvalidVolumeError, match="fixed: .* truncated"):
        check_nifti(whole_file, "fixed")


def test_one_missing_byte_is_found(tmp_path):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InvalidVolumeError, match=f"holds {VOXEL_BYTES - 1} bytes of voxels, its header announces {VOXEL_BYTES}"
    ):
        check_nifti(path, "fixed")


def test_a_damaged_stream_is_found(tmp_path):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the checksum
    path.write_bytes(content)
    with pytest.raises(InvalidVolumeError, match="damaged"):
        check_nifti(path, "fixed")


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, np.inf])
def test_a_spacing_that_is_no_length_is_found(whole_file, spacing):
    is_compressed = whole_file.suffix == ".gz"
    content = bytearray(gzip.decompress(whole_file.read_bytes()) if is_compressed else whole_file.read_bytes())
    struct.pack_into("<f", content, 80, spacing)  # pixdim[1]
    whole_file.write_bytes(gzip.compress(content) if is_compressed else content)
    with pytest.raises(InvalidVolumeError, match="spacing .* positive"):
        check_nifti(whole_file, "fixed")


@pytest.mark.parametrize("offset", [1e5, 1e30, np.nan])
def test_voxels_that_start_beyond_the_end_are_missing(whole_file, offset):
    is_compressed = whole_file.suffix == ".gz"
    content = bytearray(gzip.decompress(whole_file.read_bytes()) if is_compressed else whole_file.read_bytes())
    struct.pack_into("<f", content, 108, offset)
    whole_file.write_bytes(gzip.compress(content) if is_compressed else content)
    with pytest.raises(InvalidVolumeError, match="holds 0 bytes of voxels"):
        check_nifti(whole_file, "fixed")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("missing, is_whole", [(0, True), (1, False)])
def test_knows_nifti_2_and_both_byte_orders(tmp_path, order, missing, is_whole):
    header = bytearray(544)
    struct.pack_into(order + "i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into(order + "hh", header, 12, 16, 32)  # datatype, bitpix
    struct.pack_into(order + "8q", header, 16, 3, 5, 6, 7, 1, 1, 1, 1)
    struct.pack_into(order + "8d", header, 104, 1, 2, 2, 2, 0, 0, 0, 0)
    struct.pack_into(order + "q", header, 168, 544)
    path = tmp_path / "ct.nii"
    path.write_bytes(bytes(header) + np.ones(5 * 6 * 7, order + "f4").tobytes()[: 840 - missing])
    if is_whole:
        check_nifti(path, "fixed")
    else:
        with pytest.raises(InvalidVolumeError, match="holds 839 bytes of voxels, its header announces 840"):
            check_nifti(path, "fixed")


@pytest.mark.parametrize("order", "<>")
def test_sees_nan_in_both_byte_orders(tmp_path, order):
    header = bytearray(352)
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, 3, 5, 6, 7, 1, 1, 1, 1)
    struct.pack_into(order + "2h", header, 70, 16, 32)
    struct.pack_into(order + "8f", header, 76, 1, 2, 2, 2, 0, 0, 0, 0)
    struct.pack_into(order + "f4x", header, 108, 352)
    header[344:348] = b"n+1\0"
    voxels = np.full(5 * 6 * 7, 2.0, order + "f4")
    path = tmp_path / "ct.nii"
    path.write_bytes(bytes(header) + voxels.tobytes())
    check_nifti(path, "fixed")
    voxels[17] = np.nan
    path.write_bytes(bytes(header) + voxels.tobytes())
    with pytest.raises(InvalidVolumeError, match="fixed: 1 voxels"):
        check_nifti(path, "fixed")


@pytest.mark.parametrize("content", [b"", b"NRRD0004\n" * 100, bytes(400)])
def test_other_files_are_left_to_itk(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    check_nifti(tmp_path / "file", "fixed")


def test_a_file_holds_what_was_written_and_nothing_else(whole_file):
    assert holds_voxels(whole_file, VOXELS)
    assert holds_voxels(whole_file, np.asfortranarray(VOXELS))
    other = VOXELS.copy()
    other[-1, -1, -1] += 1
    assert not holds_voxels(whole_file, other)
    assert not holds_voxels(whole_file, VOXELS[:-1])
    assert not holds_voxels(whole_file, np.concatenate([VOXELS, VOXELS[:1]]))


@pytest.mark.parametrize("missing", [1, 500])
def test_a_truncated_file_does_not_hold_what_was_written(whole_file, missing):
    whole_file.write_bytes(whole_file.read_bytes()[:-missing])
    try:
        assert not holds_voxels(whole_file, VOXELS)
    except (EOFError, OSError, zlib.error):
        assert whole_file.suffix == ".gz"


def test_what_is_no_nifti_file_holds_nothing(tmp_path):
    (tmp_path / "file.nii").write_bytes(b"short")
    assert not holds_voxels(tmp_path / "file.nii", VOXELS)


@pytest.mark.parametrize(
    ("intent", "scaling", "is_refused"), [(1007, (2, 0), True), (1006, (1, 5), True), (1007, (1, 0), False)]
)
def test_vectors_that_are_scaled_are_refused_for_itk_scales_a_third_of_them(tmp_path, intent, scaling, is_refused):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 5, 5, 6, 7, 1, 3, 1, 1)
    struct.pack_into("<h2h", header, 68, intent, 16, 32)
    struct.pack_into("<8f", header, 76, 1, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into("<f2f4s", header, 108, 352, *scaling, b"")
    struct.pack_into("<4s", header, 344, b"n+1")
    (tmp_path / "u.nii").write_bytes(bytes(header) + np.ones(5 * 6 * 7 * 3, "<f4").tobytes())
    if is_refused:
        with pytest.raises(InvalidVolumeError, match="the vectors in .* are scaled by its header"):
            check_nifti(tmp_path / "u.nii", "initial transform")
    else:
        check_nifti(tmp_path / "u.nii", "initial transform")


@pytest.mark.parametrize("suffix", [".hdr", ".img", ".hdr.gz", ".img.gz"])
def test_of_two_files_the_voxels_are_looked_at_whichever_is_named(tmp_path, suffix):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))
    check_nifti(path, "fixed")
    (voxels,) = tmp_path.glob("ct.img*")
    voxels.write_bytes(voxels.read_bytes()[:-100])
    assert sitk.ReadImage(str(path)).GetSize() == VOXELS.shape[::-1]  # without an error
    with pytest.raises(InvalidVolumeError, match="fixed: .* truncated"):
        check_nifti(path, "fixed")
    voxels.unlink()
    with pytest.raises(InvalidVolumeError, match="fixed: .* truncated"):
        check_nifti(path, "fixed")


def test_of_two_files_voxels_that_are_no_numbers_are_found(tmp_path):
    voxels = np.ones((8, 9, 10), np.float32)
    voxels[0, 0, 0] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "ct.hdr"))
    with pytest.raises(InvalidVolumeError, match="fixed: 1 voxels .* are NaN or infinite"):
        check_nifti(tmp_path / "ct.hdr", "fixed")
