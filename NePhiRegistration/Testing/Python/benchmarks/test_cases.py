"""Pairs found in folders, and pairs made larger."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.cases import find_pairs, resized_pair


def image(folder, name, size=(6, 7, 8), spacing=(2.0, 2.5, 3.0), value=-800) -> None:
    picture = sitk.Image(list(size), sitk.sitkInt16) + value
    picture.SetSpacing(spacing)
    picture.SetOrigin((-10.0, 5.0, 100.0))
    sitk.WriteImage(picture, str(folder / f"{name}.nii.gz"))


def a_folder(path, roles=("exhale", "inhale"), mask="lungs", unit=""):
    path.mkdir(parents=True)
    for role in roles:
        image(path, role)
        image(path, f"{role}_{mask}", value=1)
    columns = ["id", *(f"{role}_{axis}{unit}" for role in roles for axis in "xyz")]
    (path / "landmarks_lps_mm.csv").write_text(",".join(columns) + "\n0,1,2,3,4,5,6\n1,7,8,9,10,11,12\n")
    return path


def test_pairs_are_found_by_their_landmarks_whatever_their_names(tmp_path):
    a_folder(tmp_path / "breathing" / "d1")
    a_folder(tmp_path / "lung_pair", ("baseline", "followup"), "mask", "_mm")
    (tmp_path / "other").mkdir()
    first, second = find_pairs(tmp_path)
    assert (first.name, first.fixed.name, first.moving_lungs.name) == ("d1", "exhale.nii.gz", "inhale_lungs.nii.gz")
    assert (second.name, second.moving.name) == ("lung_pair", "followup.nii.gz")
    assert second.fixed_lungs.name == "baseline_mask.nii.gz"


@pytest.mark.parametrize("unit", ["", "_mm"])
def test_landmarks_are_turned_from_lps_to_ras(tmp_path, unit):
    a_folder(tmp_path / "d1", unit=unit)
    pair = find_pairs(tmp_path)[0]
    np.testing.assert_array_equal(pair.fixed_landmarks, [[-1, -2, 3], [-7, -8, 9]])
    np.testing.assert_array_equal(pair.moving_landmarks, [[-4, -5, 6], [-10, -11, 12]])


def test_a_folder_without_pairs_has_none(tmp_path):
    assert find_pairs(tmp_path) == [] and find_pairs(tmp_path / "nowhere") == []


def test_a_larger_pair_shows_the_same_patient(tmp_path):
    """Eleven voxels a side, first and last voxel centres where they were."""
    a_folder(tmp_path / "d1")
    (tmp_path / "large").mkdir()
    large = resized_pair(find_pairs(tmp_path)[0], 11, tmp_path / "large")
    before, after = (sitk.ReadImage(str(path)) for path in (tmp_path / "d1" / "exhale.nii.gz", large.fixed))
    assert after.GetSize() == (11, 11, 11)
    for index in (0, -1):
        corners = [p.TransformIndexToPhysicalPoint([index % n for n in p.GetSize()]) for p in (before, after)]
        np.testing.assert_allclose(*corners, atol=1e-4)
    assert set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(large.fixed_lungs))))) == {1}
