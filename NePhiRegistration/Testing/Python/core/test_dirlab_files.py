"""DIR-Lab's images and landmarks, made in the exact format."""

import numpy as np
import pytest
from dirlab_folders import write_image, write_landmarks

from NePhiCore.dirlab_cases import COPDGENE, CaseSize, DirLabCase, find_cases
from NePhiCore.dirlab_files import geometry_of_size, read_headerless, read_scan, read_voxel_landmarks
from NePhiCore.errors import InvalidLandmarksError, InvalidVolumeError
from NePhiCore.geometry import transform_points

SIZE = CaseSize((10, 9, 8), (0.5, 2.0, 2.5))


@pytest.fixture
def hu_kji() -> np.ndarray:
    """(8, 9, 10), no two voxels alike."""
    return (np.arange(720) * 2 - 900).reshape(8, 9, 10)


@pytest.fixture
def case(tmp_path, hu_kji, monkeypatch) -> DirLabCase:
    """Case 4, so small, with two landmarks."""
    monkeypatch.setitem(COPDGENE.sizes, 4, SIZE)
    for letter in "ei":
        write_image(tmp_path / f"copd4_{letter}BHCT.img", hu_kji)
        write_landmarks(tmp_path / f"copd4_300_{letter}BH_xyz_r1.txt", np.array([[1, 1, 1], [5, 2, 3]]))
    return find_cases(tmp_path, COPDGENE)[0]


def test_an_image_is_little_endian_i_fastest_and_offset_by_1024(tmp_path):
    path = tmp_path / "copd1_eBHCT.img"
    stored = [1024, 1025, 24, 0, 2024, 1324]
    path.write_bytes(b"".join(value.to_bytes(2, "little") for value in stored))
    hu = read_headerless(path, CaseSize((2, 1, 3), (1, 1, 1)))
    assert hu.tolist() == [[[0, 1]], [[-1000, -1024]], [[1000, 300]]]
    assert hu.dtype == np.int16


def test_padding_outside_the_scanner_becomes_air(tmp_path):
    path = tmp_path / "copd1_eBHCT.img"
    np.array([-2000, -2000, 1024, 24], "<i2").tofile(path)
    assert read_headerless(path, CaseSize((4, 1, 1), (1, 1, 1))).ravel().tolist() == [-1024, -1024, 0, -1000]


def test_a_file_of_the_published_size_is_read(tmp_path):
    path = tmp_path / "case1_T00_s.img"
    with path.open("wb") as file:
        file.truncate(256 * 256 * 94 * 2)
    size = CaseSize((256, 256, 94), (0.97, 0.97, 2.5))
    assert read_headerless(path, size).shape == (94, 256, 256)
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InvalidVolumeError, match="12320769 bytes; 256 x 256 x 94 voxels .* are 12320768"):
        read_headerless(path, size)


def test_an_image_that_was_converted_to_hu_is_refused(tmp_path, hu_kji):
    write_image(tmp_path / "copd1_eBHCT.img", hu_kji - 1024)
    with pytest.raises(InvalidVolumeError, match=r"copd1_eBHCT.img holds HU, DIR-Lab stores HU \+ 1024"):
        read_headerless(tmp_path / "copd1_eBHCT.img", SIZE)


def test_voxels_count_to_the_left_to_the_back_and_down():
    geometry = geometry_of_size(SIZE)
    assert geometry.shape_kji == (8, 9, 10)
    positions = transform_points(geometry.ijk_to_ras, np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    assert positions.tolist() == [[0, 0, 0], [-0.5, 0, 0], [0, -2, 0], [0, 0, -2.5]]


def test_landmarks_are_at_index_minus_one_times_spacing(case):
    volume, landmarks = read_scan(case, "exhale")
    np.testing.assert_allclose(landmarks, [[0, 0, 0], [-4 * 0.5, -1 * 2.0, -2 * 2.5]])


def test_a_landmark_lies_on_the_voxel_that_it_names(case, hu_kji):
    volume, landmarks = read_scan(case, "inhale")
    i, j, k = np.rint(transform_points(volume.geometry.ras_to_ijk, landmarks)).astype(int).T
    assert volume.hu[k, j, i].tolist() == [hu_kji[0, 0, 0], hu_kji[2, 1, 4]]
    assert volume.name == "copd4 inhale"


@pytest.mark.parametrize(
    "text",
    [
        "1\t2\t3\n5\t4\t1\n",
        "1 2 3\n5 4 1",
        "  1   2   3 \r\n  5   4   1 \r\n\r\n",
        "\ufeff1\t2\t3\t\n\n5\t4\t1\t\n",
        "index\n2\n1 2 3\n5 4 1\n",
        "1.0\t2.0\t3.0\n5.0\t4.0\t1.0\n",
    ],
)
def test_landmark_files_as_they_are_met(tmp_path, text):
    (tmp_path / "l.txt").write_bytes(text.encode())
    read = read_voxel_landmarks(tmp_path / "l.txt", geometry_of_size(SIZE))
    np.testing.assert_allclose(read, [[0, -2.0, -5.0], [-2.0, -6.0, 0]])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "holds no landmarks"),
        (b"\n \n", "holds no landmarks"),
        (b"index\n0\n", "holds no landmarks"),
        (b"1 2 3\n0 2 3\n", "line 2: voxel 0, 2, 3 is not in an image of 10 x 9 x 8"),
        (b"11 4 3\n", "line 1: voxel 11, 4, 3 is not in"),
        (b"1 2 3\n\n1 2 9\n", "line 3: voxel 1, 2, 9 is not in"),
        (b"1 2\n", "line 1: expected three voxel indices, got '1 2'"),
        (b"1 2 3 4\n", "expected three voxel indices"),
        (b"1,2,3\n", "expected three voxel indices"),
        (b"1 2 nan\n", "expected three voxel indices"),
        (b"x y z\n1 2 3\n", "expected three voxel indices, got 'x y z'"),
        (b"index\n3\n1 2 3\n", "announces 3 points and has 1"),
        (b"\xff\xfe\x00", "is no text file"),
    ],
)
def test_what_is_no_landmark_file_is_refused(tmp_path, content, cause):
    (tmp_path / "copd1_300_eBH_xyz_r1.txt").write_bytes(content)
    with pytest.raises(InvalidLandmarksError, match=cause) as caught:
        read_voxel_landmarks(tmp_path / "copd1_300_eBH_xyz_r1.txt", geometry_of_size(SIZE))
    assert "copd1_300_eBH_xyz_r1.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "error", "cause"),
    [
        ("image", InvalidVolumeError, "no file of the exhale image of copd4; case 1 has copd1_eBHCT.img"),
        ("landmarks", InvalidLandmarksError, "no file of the exhale landmarks of copd4; .* copd1_300_eBH_xyz_r1.txt"),
    ],
)
def test_a_missing_file_is_named(case, kind, error, cause):
    case.files["exhale", kind].clear()
    with pytest.raises(error, match=cause):
        read_scan(case, "exhale")
    read_scan(case, "inhale")


def test_one_of_two_files_is_not_guessed(case):
    case.files["exhale", "image"] *= 2
    with pytest.raises(InvalidVolumeError, match="2 files are the exhale image of copd4: .*copd4_eBHCT.img.*Keep one"):
        read_scan(case, "exhale")


def test_a_case_without_a_published_size_is_refused(case):
    with pytest.raises(InvalidVolumeError, match="no case copd11 in dirlab-copdgene, only 1, 2, 3"):
        read_scan(DirLabCase(COPDGENE, 11, case.files), "exhale")


def test_an_image_without_any_contrast_is_no_ct(case, tmp_path):
    write_image(tmp_path / "copd4_eBHCT.img", np.zeros((8, 9, 10)))
    with pytest.raises(InvalidVolumeError, match="copd4 exhale"):
        read_scan(case, "exhale")
