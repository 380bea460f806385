"""The pictures of a case: small, whole, each plane where the index says, folds marked and only folds."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.random_batches import scan
from NePhiBatch.case_pictures import determinant_histogram, write_case_pictures
from NePhiBatch.picture_colours import rgb
from NePhiBatch.picture_scales import FOLD_COLOUR, FOLD_ELSEWHERE_COLOUR, LUNG_COLOUR
from NePhiBatch.report_cases import Pictures, _pictures
from NePhiCore.errors import OutputError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.lung_function_names import PRM_CLASSES


@pytest.fixture(scope="module")
def pair():
    """Fixed scan, moving scan 10 mm below it, the fixed lungs."""
    fixed, lungs = scan()
    return fixed, scan(moved_mm=-10.0)[0], lungs


def write(folder, pair, determinant=None, **more) -> Pictures:
    fixed, moving, lungs = pair
    determinant = np.ones(lungs.shape, np.float32) if determinant is None else determinant
    write_case_pictures(folder, fixed, moving, fixed.hu, determinant, lungs, **more)
    return _pictures(json.loads((folder / "pictures/pictures.json").read_text(encoding="utf-8")))


def picture(folder, name) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "pictures" / name)))


def part(array, pictures, plane) -> np.ndarray:
    x, y, width, height = pictures.planes[plane][1]
    return array[y : y + height, x : x + width]


def position_mm(where: str) -> float:
    """RAS coordinate of "I 4 mm"."""
    return float(where.split()[1]) * (1 if where[0] in "RAS" else -1)


def like(array, colour) -> int:
    return int((array == (*rgb(colour), 255)).all(-1).sum())


def test_all_files_are_there_and_as_large_as_the_index_says(tmp_path, pair):
    pictures = write(tmp_path, pair)
    assert pictures.files == ["fixed.jpg", "moving.jpg", "warped.jpg", "determinant.png", "lungs.png"]
    for name in pictures.files:
        assert picture(tmp_path, name).shape[:2] == tuple(pictures.size[::-1])
    assert sum(path.stat().st_size for path in (tmp_path / "pictures").iterdir()) < 250_000


def test_planes_pass_the_middle_of_the_lungs(tmp_path, pair):
    """Lungs 90 mm deep and 120 mm high around the origin; the larger cut of an ellipsoid is through its middle."""
    axial, coronal, sagittal = (position_mm(where) for where, _ in write(tmp_path, pair).planes)
    assert (abs(axial), abs(coronal), abs(sagittal)) == pytest.approx((0, 0, 32), abs=6)


def test_each_image_shows_itself(tmp_path, pair):
    """In the coronal plane the top of the lungs lies 10 mm, 13 pixels, lower in the moving scan."""
    pictures = write(tmp_path, pair)
    tops = {}
    for name in ("fixed", "moving", "warped"):
        plane = part(picture(tmp_path, f"{name}.jpg"), pictures, 1)
        column = plane[:, round(plane.shape[1] / 2 - 32 / pictures.pixel_mm)]
        tops[name] = int(np.flatnonzero((column > 60) & (column < 200))[0])
    assert tops["moving"] - tops["fixed"] == pytest.approx(10 / 0.75, abs=3)
    assert tops["warped"] == tops["fixed"]


def test_the_outline_lies_on_the_rim_of_the_lungs(tmp_path, pair):
    """The right lung is 48 mm wide and 90 mm deep: its rim crosses the middle row 48 mm apart."""
    pictures = write(tmp_path, pair)
    axial = part(picture(tmp_path, "lungs.png"), pictures, 0)
    middle = np.flatnonzero(axial[axial.shape[0] // 2, : axial.shape[1] // 2, 3])
    assert (middle[-1] - middle[0]) * pictures.pixel_mm == pytest.approx(48, abs=4)
    assert like(axial, LUNG_COLOUR) == (axial[..., 3] > 0).sum()


def test_folds_are_marked_in_their_plane_and_in_front_of_others(tmp_path, pair):
    fixed, _, lungs = pair
    coronal_mm = position_mm(write(tmp_path, pair).planes[1][0])
    target = np.rint(transform_points(fixed.geometry.ras_to_ijk, np.array([32.0, coronal_mm, 30.0]))).astype(int)
    folds = np.zeros(lungs.shape, bool)
    folds[tuple(target[::-1])] = True
    pictures = write(tmp_path, pair, folds=folds)
    layers = [part(picture(tmp_path, "determinant.png"), pictures, plane) for plane in range(3)]
    assert (like(layers[0], FOLD_COLOUR), like(layers[0], FOLD_ELSEWHERE_COLOUR)) == (0, 1)
    assert (like(layers[1], FOLD_COLOUR), like(layers[1], FOLD_ELSEWHERE_COLOUR)) == (9, 0)
    rows, columns = np.nonzero((layers[1] == (*rgb(FOLD_COLOUR), 255)).all(-1))
    height, width = layers[1].shape[:2]
    assert (rows.mean() - height / 2) * pictures.pixel_mm == pytest.approx(-30, abs=4)
    assert (columns.mean() - width / 2) * pictures.pixel_mm == pytest.approx(-32, abs=4)


def test_folds_outside_the_lungs_are_not_what_the_report_counts(tmp_path, pair):
    pictures = write(tmp_path, pair, folds=~pair[2])
    layer = picture(tmp_path, "determinant.png")
    assert like(layer, FOLD_COLOUR) == like(layer, FOLD_ELSEWHERE_COLOUR) == 0
    assert pictures is not None


def test_a_map_of_classes_is_a_layer_of_its_own(tmp_path, pair):
    labels = np.where(pair[2], 3, 0).astype(np.uint8)
    pictures = write(tmp_path, pair, parametric_response=labels)
    layer = picture(tmp_path, "parametric_response.png")
    seen = layer[layer[..., 3] > 0]
    assert "parametric_response.png" in pictures.files
    assert len(seen) > 1000 and (seen == (*PRM_CLASSES[2].colour, 255)).all()


@pytest.mark.parametrize("spacing_mm", [0.7, 3.0])
def test_the_histogram_counts_the_lungs(spacing_mm):
    """Half of the lungs unchanged, a quarter doubled, an eighth folded, an eighth beyond the scale."""
    determinant = np.repeat([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, -1.0, 9.0], 5)[:, None, None] * np.ones((1, 20, 20))
    geometry = ImageGeometry.from_spacing(determinant.shape, (spacing_mm,) * 3)
    shares = determinant_histogram(determinant, np.ones(determinant.shape, bool), geometry)
    assert len(shares) == 34
    # One is at the beginning of bar 17 of the 32 between a quarter and four, two at that of bar 25.
    expected = {0: 0.125, 17: 0.5, 25: 0.25, 33: 0.125}
    assert {n: share for n, share in enumerate(shares) if share} == pytest.approx(expected, abs=0.03)


def test_lungs_thinner_than_the_steps_of_the_histogram_are_counted():
    lungs = np.zeros((1, 9, 9), bool)
    lungs[0, 4, 5] = True
    geometry = ImageGeometry.from_spacing(lungs.shape, (0.1, 0.1, 0.1))
    assert determinant_histogram(np.ones(lungs.shape), lungs, geometry)[17] == 1


def test_pictures_that_cannot_be_written_leave_the_old_ones(tmp_path, pair, monkeypatch):
    write(tmp_path, pair)
    before = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}

    def fail(*_):
        raise RuntimeError("no space")

    monkeypatch.setattr(sitk, "WriteImage", fail)
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path, pair, determinant=np.full(pair[2].shape, 2.0))
    assert {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()} == before
