import gzip
import os
import sys
import time

import pytest

from NePhiBatch import input_files
from NePhiBatch.input_files import current, fingerprint


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A function that writes a file that was last changed long ago, as far as the code can tell."""
    monkeypatch.setattr(time, "time", lambda: 1e12)

    def write(name, content=b"content"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def reads(monkeypatch):
    """The files that were read whole."""
    found, read = [], input_files._sha256

    def note(path):
        found.append(path.name)
        return read(path)

    monkeypatch.setattr(input_files, "_sha256", note)
    return found


def test_content_decides_not_name_and_place(old):
    assert fingerprint(old("a.nrrd")).sha256 == fingerprint(old("other/b.nrrd")).sha256
    assert fingerprint(old("a.nrrd")).sha256 != fingerprint(old("c.nrrd", b"content!")).sha256


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="NOT TESTED HERE: names of files are text")
def test_names_of_slices_need_not_be_text(old, tmp_path):
    first, second = tmp_path / "series" / os.fsdecode(b"\xe4.dcm"), tmp_path / "series" / os.fsdecode(b"\xf6.dcm")
    old("series/a.dcm")
    first.write_bytes(b"1")
    known = fingerprint(tmp_path / "series")
    assert known.sha256
    first.rename(second)
    assert fingerprint(tmp_path / "series").sha256 not in (None, known.sha256)


def test_an_untouched_file_is_not_read_again(old, reads):
    path = old("a.nrrd")
    known = fingerprint(path)
    assert current(known, path) is known
    assert reads == ["a.nrrd"]


def test_a_file_of_the_same_size_and_time_is_read_again_when_it_was_written(old, reads):
    path = old("a.nrrd", b"abc")
    known, state = fingerprint(path), path.stat()
    path.write_bytes(b"xyz")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # as a copying program does
    now = current(known, path)
    assert now.sha256 != known.sha256
    assert len(reads) == 2


def test_a_file_that_only_moved_is_read_again_and_found_the_same(old, reads):
    known = fingerprint(old("a.nrrd"))
    now = current(known, old("b.nrrd"))
    assert (now.sha256, len(reads)) == (known.sha256, 2)
    assert now != known


def test_a_file_that_was_just_written_is_not_trusted_by_its_times(tmp_path, reads):
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"abc")
    known = fingerprint(path)
    assert known.stamp == ""
    current(known, path)
    assert len(reads) == 2


def test_slices_added_changed_or_renamed_change_a_folder(old, tmp_path):
    old("dicom/1.dcm"), old("dicom/2.dcm", b"two")
    first = fingerprint(tmp_path / "dicom")
    assert current(first, tmp_path / "dicom") is first
    old("dicom/3.dcm", b"three")
    second = current(first, tmp_path / "dicom")
    (tmp_path / "dicom/3.dcm").rename(tmp_path / "dicom/0.dcm")
    third = current(second, tmp_path / "dicom")
    assert len({first.sha256, second.sha256, third.sha256}) == 3


@pytest.mark.parametrize(
    ("header", "said", "data"),
    [
        ("a.mhd", b"NDims = 3\nElementDataFile = a.raw\n", "a.raw"),
        ("a.nhdr", b"NRRD0004\nencoding: raw\ndata file: voxels.bin\n", "voxels.bin"),
        ("a.nhdr", b"NRRD0004\ndatafile: %02d.raw 1 2 1\n", "01.raw"),
        ("a.mhd", b"ElementDataFile = LIST\nb.raw\n", "b.raw"),
        ("a.hdr", b"analyze", "a.img"),
        ("a.img.gz", gzip.compress(b"voxels", mtime=0), "a.hdr"),
    ],
)
def test_voxels_beside_a_header_belong_to_it(old, header, said, data):
    path = old(header, said)
    old(data, b"before")
    known = fingerprint(path)
    old(data, b"after!")
    assert current(known, path).sha256 != known.sha256


def test_a_header_with_its_voxels_stands_alone(old):
    path = old("a.mhd", b"ElementDataFile = LOCAL\n")
    known = fingerprint(path)
    old("b.raw", b"of another image")
    assert current(known, path) is known


def test_what_cannot_be_read_has_no_hash(old, tmp_path):
    known = fingerprint(old("a.nrrd"))
    (tmp_path / "a.nrrd").unlink()
    assert current(known, tmp_path / "a.nrrd").sha256 is None
