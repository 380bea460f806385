"""Files on which ITK crashes or never ends are refused in words, by a program that goes on."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore import transform_copy
from NePhiCore.displacement_field import DisplacementField
from NePhiCore.errors import DependencyError, InvalidTransformError, InvalidVolumeError, OutputError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import read_volume
from NePhiCore.transform_copy import safe_to_read
from NePhiCore.transform_io import read_displacement, read_initial_transform, write_displacement

# Bytes of an affine transform in HDF5 with which, set to 255, ITK 5.4 waits without end, aborts and crashes.
WAITS, ABORTS, CRASHES = 2088, 2217, 2219


@pytest.fixture
def shift(tmp_path):
    path = tmp_path / "shift.h5"
    transform = sitk.AffineTransform(3)
    transform.SetTranslation((4.0, 5.0, 6.0))
    sitk.WriteTransform(transform, str(path))
    return path


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def spoil(path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] = 255
    path.write_bytes(content)


def test_a_good_file_is_read_as_it_is_and_the_copy_is_gone(shift, temporary):
    before = shift.read_bytes()
    with safe_to_read(shift, "start") as copy:
        assert copy.parent.parent == temporary
        assert sitk.ReadTransform(str(copy)).TransformPoint((1, 1, 1)) == (5, 6, 7)
    assert list(temporary.iterdir()) == [] and shift.read_bytes() == before


@pytest.mark.parametrize("place", [ABORTS, CRASHES])
def test_a_file_on_which_itk_crashes_is_refused(shift, temporary, capfd, place):
    spoil(shift, place)
    with pytest.raises(InvalidTransformError, match=r"^initial transform: .*shift\.h5 cannot be read: ITK crashes"):
        read_initial_transform(shift)
    assert list(temporary.iterdir()) == [] and capfd.readouterr() == ("", "")


def test_a_file_that_itk_never_ends_reading_is_refused(shift, temporary, monkeypatch):
    monkeypatch.setattr(transform_copy, "_LONGEST_S", 3)
    spoil(shift, WAITS)
    with pytest.raises(InvalidTransformError, match=r"could not be read in 3 s"):
        read_initial_transform(shift)
    assert list(temporary.iterdir()) == []


def test_hdf5_is_hdf5_whatever_it_is_called_and_wherever_it_begins(shift, tmp_path):
    spoil(shift, CRASHES)
    for name, content in (("a.tfm", shift.read_bytes()), ("b.txt", b"#Insight".ljust(2048) + shift.read_bytes())):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidTransformError):
            read_initial_transform(tmp_path / name)
        (tmp_path / f"{name}.nrrd").write_bytes(content)
        with pytest.raises(InvalidVolumeError, match="HDF5"):
            read_volume(tmp_path / f"{name}.nrrd")


def test_text_and_what_was_just_written_take_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "t.tfm"))
    read_initial_transform(tmp_path / "t.tfm")
    field = DisplacementField(np.zeros((4, 5, 6, 3), np.float32), ImageGeometry.from_spacing((4, 5, 6), 2.0))
    write_displacement(tmp_path / "t.h5", field)
    with pytest.raises(TypeError):
        read_displacement(tmp_path / "t.h5")


def test_modules_in_the_working_directory_are_not_run(shift, tmp_path, monkeypatch):
    folder = tmp_path / "of_a_stranger"
    folder.mkdir()
    for name in ("SimpleITK", "numpy", "NePhiCore", "resource"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    monkeypatch.chdir(folder)
    read_initial_transform(shift)
    assert not (tmp_path / "mark").exists()


def test_a_relative_path_is_found(shift, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read_initial_transform("shift.h5").matrix_ras[:3, 3], (-4, -5, 6))


def test_no_room_for_the_copy_is_said(shift, temporary, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    with pytest.raises(OutputError, match="no temporary folder"):
        read_initial_transform(shift)


@pytest.mark.parametrize("program, complaint", [("/nowhere/python", "no process could be started"), (None, "begin")])
def test_a_process_that_cannot_begin_is_not_called_a_damaged_file(shift, tmp_path, monkeypatch, program, complaint):
    if program:
        monkeypatch.setattr(sys, "executable", program)
    else:
        monkeypatch.setattr(transform_copy, "__package__", "NoSuchPackage")
    with pytest.raises(DependencyError, match=complaint):
        read_initial_transform(shift)


@pytest.mark.parametrize(
    "code, error, complaint",
    [
        (10, InvalidTransformError, "is not a transform"),
        (11, OutputError, "disk full"),
        (12, InvalidTransformError, "more memory"),
        (-9, InvalidTransformError, "crashes"),
        (0xC0000005, InvalidTransformError, "crashes"),
    ],
)
def test_every_ending_has_its_words(tmp_path, code, error, complaint):
    with pytest.raises(error, match=complaint):
        transform_copy._check_ending(code, tmp_path / "t.h5", "start")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="NOT TESTED HERE: needs Linux")
def test_memory_has_a_bound(tmp_path):
    """A field of 50 MB is too large for a process that may have 40 MiB more: ITK says so, or it crashes."""
    grid = sitk.Image([128, 128, 128], sitk.sitkVectorFloat64)
    sitk.WriteTransform(sitk.DisplacementFieldTransform(grid), str(tmp_path / "f.h5"))
    program = (
        "import sys; from pathlib import Path; from NePhiCore import transform_copy; "
        "pages = int(Path('/proc/self/statm').read_text().split()[0]); "
        "transform_copy._MOST_MEMORY_BYTES = 4096 * pages + (40 << 20); "
        "sys.exit(transform_copy.main(*sys.argv[1:]))"
    )
    folder = str(Path(transform_copy.__file__).parents[1])
    command = [sys.executable, "-c", program, tmp_path / "f.h5", tmp_path / "c.h5"]
    ended = subprocess.run(command, env={"PYTHONPATH": folder}, capture_output=True, timeout=100)
    assert ended.returncode == 12 or ended.returncode < 0, ended.stderr.decode()[-500:]
    assert not (tmp_path / "c.h5").exists()
