"""Headers that name the file of their voxels."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.image_io import read_volume
from NePhiCore.voxel_files import check_voxel_files

NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 8 9 10\nspacings: 1 1 1\nencoding: raw\nendian: little\n{}\n"
META = "ObjectType = Image\nNDims = 3\nDimSize = 8 9 10\nElementSpacing = 1 1 1\n"
META += "ElementType = MET_SHORT\nElementDataFile = {}\n"


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_voxels_beside_or_below_their_header_are_read(tmp_path, suffix):
    voxels = np.random.default_rng(0).integers(-1000, 100, (10, 9, 8)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / f"ct{suffix}"))
    np.testing.assert_array_equal(read_volume(tmp_path / f"ct{suffix}").hu, voxels)
    (tmp_path / "below").mkdir()
    raw = next(path for path in tmp_path.iterdir() if ".raw" in path.name or ".zraw" in path.name)
    raw.rename(tmp_path / "below" / raw.name)
    header = tmp_path / f"ct{suffix}"
    header.write_text(header.read_text().replace(raw.name, f"below/{raw.name}"))
    np.testing.assert_array_equal(read_volume(header).hu, voxels)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("ct.nhdr", NRRD.replace("{}", "data file: {}")),
        ("ct.nrrd", NRRD.replace("{}", "DataFile: {}")),
        ("ct.nrrd", NRRD.replace("{}", "datafile:{}")),
        ("ct.mhd", META),
        ("ct.mha", META),
    ],
)
@pytest.mark.parametrize("elsewhere", ["../a.raw", "/etc/a.raw", "a/../../a.raw", "C:\\a.raw", "..\\a.raw", "\\a.raw"])
def test_voxels_elsewhere_are_refused(tmp_path, name, header, elsewhere):
    (tmp_path / name).write_text(header.format(elsewhere))
    with pytest.raises(InvalidVolumeError, match="outside its own folder"):
        check_voxel_files(tmp_path / name, "fixed")


@pytest.mark.parametrize("said", ["LIST", "list", "LIST 2", "slice%03d.raw 1 10 1"])
@pytest.mark.parametrize(("name", "header"), [("ct.nhdr", NRRD.replace("{}", "data file: {}")), ("ct.mhd", META)])
def test_voxels_in_many_files_are_refused(tmp_path, name, header, said):
    (tmp_path / name).write_text(header.format(said))
    with pytest.raises(InvalidVolumeError, match="in many files"):
        check_voxel_files(tmp_path / name, "fixed")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="NOT TESTED HERE: this system has no pipes in folders")
@pytest.mark.parametrize(
    ("name", "text"),
    [("ct.nhdr", NRRD.format("data file: pipe")), ("ct.mhd", META.format("pipe")), ("pipe.hdr", ""), ("pipe.img", "")],
)
def test_a_pipe_in_the_place_of_voxels_is_refused(tmp_path, name, text):
    os.mkfifo(tmp_path / {"pipe.hdr": "pipe.img", "pipe.img": "pipe.hdr"}.get(name, "pipe"))
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidVolumeError, match="no ordinary file"):
        check_voxel_files(tmp_path / name, "fixed")


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha"])
def test_a_header_without_an_end_is_refused(tmp_path, name):
    start = NRRD.format("# ").rstrip("\n") if name.endswith("nrrd") else "Comment = "
    (tmp_path / name).write_text(start + "x" * (5 << 20))
    with pytest.raises(InvalidVolumeError, match="does not end"):
        check_voxel_files(tmp_path / name, "fixed")


def test_words_among_the_voxels_mean_nothing(tmp_path):
    for name, text in (("ct.nrrd", NRRD.format("")), ("ct.mha", META.format("LOCAL"))):
        (tmp_path / name).write_bytes(text.encode() + b"\ndata file: /etc/passwd\nElementDataFile = /etc/passwd\n")
        check_voxel_files(Path(tmp_path / name), "fixed")


@pytest.mark.parametrize(("name", "twin"), [("ct.nii.gz", "ct.nii"), ("ct.img.gz", "ct.img")])
def test_a_compressed_image_beside_an_uncompressed_one_is_refused_for_itk_reads_the_other(tmp_path, name, twin):
    voxels = np.random.default_rng(0).integers(-1000, 100, (9, 10, 11)).astype(np.int16)
    for file, shift in ((twin, 1), (name, 0)):
        sitk.WriteImage(sitk.GetImageFromArray(voxels + np.int16(shift)), str(tmp_path / file))
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name)))
    np.testing.assert_array_equal(read, voxels + 1, "then it need not be refused")
    with pytest.raises(InvalidVolumeError, match=f"fixed: {twin} lies beside .*{name}"):
        read_volume(tmp_path / name, "fixed")
    (tmp_path / twin).unlink()
    np.testing.assert_array_equal(read_volume(tmp_path / name, "fixed").hu, voxels)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("ct.nrrd", NRRD.format(""), "spacings: 1 1 1\n"),
        ("ct.mha", META.format("LOCAL"), "ElementSpacing = 1 1 1\n"),
    ],
)
def test_a_header_that_does_not_say_how_large_a_voxel_is_is_refused(tmp_path, name, text, line):
    voxels = np.arange(720, dtype=np.int16).tobytes()
    (tmp_path / name).write_bytes(text.encode() + voxels)
    assert read_volume(tmp_path / name).hu.max() == 719
    (tmp_path / name).write_bytes(text.replace(line, "").encode() + voxels)
    with pytest.raises(InvalidVolumeError, match="fixed: .* does not say how large a voxel is"):
        read_volume(tmp_path / name, "fixed")
