"""An image whose header places it twice or not at all is read, and the run warns of it."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from NePhiCore.image_io import read_volume
from NePhiCore.nifti_place import place_doubt

QFORM, SFORM, CODES = (256, "<6f"), (280, "<12f"), (252, "<2h")


@pytest.fixture(params=[".nii", ".nii.gz", ".hdr"])
def path(tmp_path, request):
    """An oblique image, as ITK writes it: both forms say the same."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 100, (20, 22, 24)).astype(np.int16))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-180.3, 911.7, -1204.9))
    image.SetDirection(sitk.VersorTransform((0.2, -0.5, 0.8), 0.6).GetMatrix())
    sitk.WriteImage(image, str(tmp_path / f"ct{request.param}"), useCompression=False)
    return tmp_path / f"ct{request.param}"


def changed(path, place, change):
    """The file with some numbers of its header changed."""
    at, kind = place
    content = bytearray(_unpacked(path))
    struct.pack_into(kind, content, at, *change(np.array(struct.unpack_from(kind, content, at))))
    path.write_bytes(content)  # a name in .gz does not make it compressed: readers look at the content
    return path


def _unpacked(path):
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def test_forms_that_agree_are_no_doubt(path):
    assert place_doubt(path) == ""
    assert read_volume(path).place_doubt == ""


def test_a_mirrored_image_is_no_doubt(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 100, (20, 22, 24)).astype(np.int16))
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, -1))
    sitk.WriteImage(image, str(tmp_path / "ct.nii"))
    assert place_doubt(tmp_path / "ct.nii") == ""


@pytest.mark.parametrize("place", [QFORM, SFORM])
def test_forms_apart_are_told_with_their_distance(path, place):
    def shift(numbers):
        numbers[3] += 40  # the origin along the first axis, in both
        return numbers

    doubt = read_volume(changed(path, place, shift)).place_doubt
    assert "places it twice, up to 40 mm apart (qform and sform)" in doubt


def test_a_rounding_is_no_doubt(path):
    assert place_doubt(changed(path, SFORM, lambda numbers: numbers * (1 + 1e-6))) == ""


def test_a_turn_is_seen_at_the_corners(path):
    assert "places it twice" in place_doubt(changed(path, QFORM, lambda n: n * [0.9, 0.9, 0.9, 1, 1, 1]))


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (0, 2)])
def test_one_form_is_enough(path, codes):
    changed(path, SFORM if codes[1] == 0 else QFORM, lambda numbers: 0 * numbers)
    assert place_doubt(changed(path, CODES, lambda numbers: codes)) == ""


def test_neither_form_is_told(path):
    assert "no qform, no sform" in read_volume(changed(path, CODES, lambda numbers: (0, 0))).place_doubt


def test_other_files_have_no_doubt(tmp_path):
    (tmp_path / "short").write_bytes(b"5c010000")
    image = sitk.GetImageFromArray(np.zeros((8, 8, 8), np.int16))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    assert place_doubt(tmp_path / "short") == place_doubt(tmp_path / "ct.nrrd") == ""
