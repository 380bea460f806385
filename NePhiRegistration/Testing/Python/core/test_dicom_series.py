from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import DIRECTIONS_LPS, itk_points_ras_mm, place, random_hu
from memory_cases import OUT_OF_MEMORY, raises

from NePhiCore.errors import DeviceMemoryError, InvalidVolumeError
from NePhiCore.image_io import read_volume


def write_slices(
    folder: Path, image: sitk.Image, series: str = "1.2.3.1", offsets_mm=None, modality="CT"
) -> list[Path]:
    """CT slices as a scanner stores them: one file each, with its own position in the patient."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.reshape(image.GetDirection(), (3, 3))
    paths = []
    for k in range(image.GetSize()[2]):
        slice_image = image[:, :, k]
        position = np.array(image.TransformIndexToPhysicalPoint((0, 0, k)))
        if offsets_mm is not None:
            position = position + offsets_mm[k]
        tags = {
            "0008|0060": modality,
            "0020|000e": series,
            "0008|0018": f"{series}.{k + 1}",
            "0020|000d": "1.2.3",
            "0020|0052": "1.2.3.9",
            "0020|0032": "\\".join(f"{mm:.6f}" for mm in position),
            "0020|0037": "\\".join(f"{n:.8f}" for n in direction[:, :2].T.ravel()),
            "0020|0013": str(k),
        }
        if image.GetNumberOfComponentsPerPixel() == 1:
            tags |= {"0028|1052": "-1024", "0028|1053": "1"}  # to HU
        for tag, value in tags.items():
            slice_image.SetMetaData(tag, value)
        # File names in another order than the slices.
        paths.append(folder / f"{(k * 7) % 101:03d}-{series}.dcm")
        writer.SetFileName(str(paths[-1]))
        writer.Execute(slice_image)
    return paths


@pytest.fixture
def ct_image() -> sitk.Image:
    return place(sitk.GetImageFromArray(random_hu()), DIRECTIONS_LPS["LPS"])


@pytest.mark.parametrize("name", DIRECTIONS_LPS)
def test_stacks_slices_by_their_place_in_the_patient(tmp_path, name):
    image = place(sitk.GetImageFromArray(random_hu()), DIRECTIONS_LPS[name])
    write_slices(tmp_path, image)
    volume = read_volume(tmp_path, "fixed")
    # Slices follow the normal of rows and columns, so those of a left-handed image come out in reverse.
    step = -1 if np.linalg.det(DIRECTIONS_LPS[name]) < 0 else 1
    np.testing.assert_array_equal(volume.hu, random_hu()[::step])
    np.testing.assert_allclose(volume.geometry.points_ras_mm(), itk_points_ras_mm(image)[::step], atol=1e-4)


def test_other_files_in_the_folder_do_not_matter(tmp_path, ct_image):
    write_slices(tmp_path, ct_image)
    (tmp_path / "readme.txt").write_text("made by a scanner")
    assert read_volume(tmp_path).hu.shape == (9, 10, 11)


def test_takes_the_largest_series(tmp_path, ct_image):
    write_slices(tmp_path, ct_image[:, :, :3], series="1.2.3.7")
    write_slices(tmp_path, ct_image, series="1.2.3.8")
    np.testing.assert_array_equal(read_volume(tmp_path).hu, random_hu())


def test_does_not_guess_between_two_scans(tmp_path, ct_image):
    write_slices(tmp_path, ct_image, series="1.2.3.7")
    write_slices(tmp_path, ct_image, series="1.2.3.8")
    with pytest.raises(InvalidVolumeError, match="fixed: .* 2 DICOM series, the two largest with 9 slices each"):
        read_volume(tmp_path, "fixed")


def test_refuses_a_folder_without_dicom(tmp_path, capfd):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InvalidVolumeError, match="fixed: .* folder without DICOM"):
        read_volume(tmp_path, "fixed")
    assert capfd.readouterr() == ("", "")


def test_refuses_a_series_with_a_missing_slice(tmp_path, ct_image):
    write_slices(tmp_path, ct_image)[4].unlink()
    with pytest.raises(InvalidVolumeError, match="fixed: .* not evenly stacked"):
        read_volume(tmp_path, "fixed")


@pytest.mark.parametrize("missing", [1, 7])
def test_refuses_a_series_whose_missing_slice_is_near_its_end(tmp_path, ct_image, missing):
    write_slices(tmp_path, ct_image)[missing].unlink()
    with pytest.raises(InvalidVolumeError, match="not evenly stacked"):
        read_volume(tmp_path)


def test_refuses_two_slices_at_the_same_place(tmp_path, ct_image):
    offsets_mm = np.zeros((9, 3))
    offsets_mm[4, 2] = 2.5
    write_slices(tmp_path, ct_image, offsets_mm=offsets_mm)
    with pytest.raises(InvalidVolumeError, match="not evenly stacked|same place"):
        read_volume(tmp_path)


def test_refuses_slices_that_are_all_at_the_same_place(tmp_path, ct_image):
    write_slices(tmp_path, ct_image, offsets_mm=np.arange(9)[:, None] * [0, 0, -2.5])
    with pytest.raises(InvalidVolumeError, match="not evenly stacked|same place"):
        read_volume(tmp_path)


def test_refuses_a_tilted_gantry(tmp_path, ct_image):
    write_slices(tmp_path, ct_image, offsets_mm=np.arange(9)[:, None] * [0, 0.5, 0])
    with pytest.raises(InvalidVolumeError, match="gantry was tilted"):
        read_volume(tmp_path)


def test_positions_rounded_by_the_scanner_are_accepted(tmp_path, ct_image):
    jitter_mm = np.random.default_rng(0).uniform(-0.05, 0.05, (9, 1)) * [0, 0, 1]
    write_slices(tmp_path, ct_image, offsets_mm=jitter_mm)
    assert read_volume(tmp_path).geometry.spacing_mm[2] == pytest.approx(2.5, abs=0.02)


def test_refuses_slices_that_differ(tmp_path, ct_image):
    for number, path in enumerate(write_slices(tmp_path, ct_image[:, :, :5])):
        path.rename(tmp_path / f"first-{number}.dcm")
    others = ct_image[:, :, 5:]
    others.SetSpacing((0.9, 1.1, 2.5))
    write_slices(tmp_path, others)
    with pytest.raises(InvalidVolumeError, match="fixed: the slices .* differ"):
        read_volume(tmp_path, "fixed")


def test_refuses_a_truncated_slice(tmp_path, ct_image, capfd):
    path = write_slices(tmp_path, ct_image)[4]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidVolumeError, match="fixed: .*damaged"):
        read_volume(tmp_path, "fixed")
    assert capfd.readouterr() == ("", "")


def test_refuses_a_single_slice(tmp_path, ct_image):
    write_slices(tmp_path, ct_image[:, :, :1])
    with pytest.raises(InvalidVolumeError, match="single slice"):
        read_volume(tmp_path)


def test_refuses_colour_slices(tmp_path, ct_image):
    colour = sitk.Compose([sitk.Cast(sitk.Abs(ct_image), sitk.sitkUInt8)] * 3)
    write_slices(tmp_path, colour)
    with pytest.raises(InvalidVolumeError, match="holds 3 numbers in a voxel"):
        read_volume(tmp_path)


@pytest.mark.parametrize("step", ["ImageSeriesReader.Execute", "ImageFileReader.ReadImageInformation"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=repr)
def test_no_memory_for_the_slices_is_not_called_a_damaged_series(tmp_path, ct_image, monkeypatch, step, error):
    write_slices(tmp_path, ct_image)
    monkeypatch.setattr(f"SimpleITK.{step}", raises(error))
    with pytest.raises(DeviceMemoryError):
        read_volume(tmp_path, "fixed")


def test_a_folder_that_may_not_be_read_is_not_called_empty(tmp_path, ct_image, monkeypatch):
    write_slices(tmp_path, ct_image)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InvalidVolumeError, match="fixed: .* may not be read by this user"):
        read_volume(tmp_path, "fixed")


def test_only_a_series_of_ct_is_read_however_large_another_is(tmp_path, ct_image):
    write_slices(tmp_path, ct_image, "1.2.3.4", modality="PT")
    with pytest.raises(InvalidVolumeError, match="fixed: .* are PT, not CT"):
        read_volume(tmp_path, "fixed")
    write_slices(tmp_path, ct_image[:, :, :9], "1.2.3.5")
    np.testing.assert_array_equal(read_volume(tmp_path, "fixed").hu, random_hu()[:9])


def test_all_slices_in_one_file_are_refused_in_a_folder_and_by_name(tmp_path, ct_image):
    ct_image.SetMetaData("0008|0060", "CT")
    sitk.WriteImage(ct_image, str(tmp_path / "all.dcm"))
    for path in (tmp_path, tmp_path / "all.dcm"):
        with pytest.raises(InvalidVolumeError, match="fixed: .* all slices in one file"):
            read_volume(path, "fixed")
