from pathlib import Path

import pytest

from NePhiCore.errors import InvalidTransformError, InvalidVolumeError
from NePhiCore.paths import check_is_file, full_suffix, read_small_file, uncompressed_twin


@pytest.mark.parametrize(
    "name, suffix",
    [
        ("ct.nii.gz", ".nii.gz"),
        ("CT.NII.GZ", ".nii.gz"),
        ("patient.1.2.nii", ".nii"),
        ("patient.1.gz", ".gz"),
        ("folder.nii/ct.h5", ".h5"),
        ("ct", ""),
        (".nii.gz", ".gz"),
    ],
)
def test_full_suffix(name, suffix):
    assert full_suffix(name) == full_suffix(Path(name)) == suffix


def test_a_file_that_is_there_passes(tmp_path):
    (tmp_path / "ct.nii").touch()
    check_is_file(tmp_path / "ct.nii", "fixed", InvalidVolumeError)


def test_says_which_file_is_missing_and_in_which_role(tmp_path):
    with pytest.raises(InvalidVolumeError, match="fixed: .*ct.nii does not exist"):
        check_is_file(tmp_path / "ct.nii", "fixed", InvalidVolumeError)
    with pytest.raises(InvalidTransformError, match="initial transform: .* is not a file"):
        check_is_file(tmp_path, "initial transform", InvalidTransformError)


def test_a_small_file_is_read_up_to_its_limit(tmp_path):
    file = tmp_path / "landmarks.csv"
    file.write_bytes(b"x" * 2**20)
    assert read_small_file(file, "landmarks", 1, InvalidVolumeError) == file.read_bytes()
    file.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(InvalidVolumeError, match="landmarks: .*landmarks.csv has 1 MiB, at most 1 are read"):
        read_small_file(file, "landmarks", 1, InvalidVolumeError)
    with pytest.raises(InvalidVolumeError, match="none.csv does not exist"):
        read_small_file(tmp_path / "none.csv", "landmarks", 1, InvalidVolumeError)


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("a/ct.1.nii.gz", "a/ct.1.nii"),
        ("CT.NII.GZ", "CT.NII"),
        ("ct.hdr.gz", "ct.img"),
        ("ct.img.gz", "ct.img"),
        ("ct.nii", None),
        ("ct.nrrd", None),
    ],
)
def test_which_file_itk_would_read_in_place_of_a_compressed_one(name, twin):
    assert uncompressed_twin(Path(name)) == (twin and Path(twin))
