"""ITK itself reads all of these files without an error; see the first test."""

import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.image_io import read_volume

VOXELS = np.random.default_rng(0).normal(-800, 60, (60, 64, 64)).astype(np.int16)


@pytest.fixture(params=[".mha", ".mhd"])
def whole_file(tmp_path, request):
    """Header and the file of the voxels."""
    path = tmp_path / f"ct{request.param}"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path), useCompression=True)
    return path, (path if request.param == ".mha" else path.with_suffix(".zraw"))


def test_a_whole_file_passes(whole_file):
    np.testing.assert_array_equal(read_volume(whole_file[0]).hu, VOXELS)


def test_one_wrong_byte_is_found_though_itk_reads_on(whole_file):
    path, voxels = whole_file
    content = bytearray(voxels.read_bytes())
    content[len(content) // 2] ^= 0x55
    voxels.write_bytes(content)
    assert not np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), VOXELS)
    with pytest.raises(InvalidVolumeError, match="fixed: .* damaged"):
        read_volume(path, "fixed")


def test_fewer_voxels_than_announced_are_found(whole_file):
    path, _ = whole_file
    path.write_bytes(path.read_bytes().replace(b"DimSize = 64 64 60", b"DimSize = 64 64 61"))
    with pytest.raises(InvalidVolumeError, match=f"fixed: .* holds {VOXELS.nbytes} bytes"):
        read_volume(path, "fixed")


def test_a_file_that_does_not_end_is_found(whole_file):
    path, voxels = whole_file
    voxels.write_bytes(voxels.read_bytes()[:-100])
    with pytest.raises(InvalidVolumeError, match="fixed: "):
        read_volume(path, "fixed")


def test_voxels_that_are_not_compressed_pass(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "ct.mha"), useCompression=False)
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.mha").hu, VOXELS)
