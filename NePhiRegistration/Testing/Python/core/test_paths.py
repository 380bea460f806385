from pathlib import Path

import pytest

from NePhiCore.errors import InvalidTransformError, InvalidVolumeError
from NePhiCore.paths import check_is_file, full_suffix


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
