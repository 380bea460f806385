"""A pair and its registration through files, piece by piece."""

import json

import numpy as np
import pytest
from command_cases import SHIFT_RAS_MM, grid, hu

from NePhiCore import job_files
from NePhiCore.geometry import ImageGeometry
from NePhiCore.job_files import read_job, read_result, write_array, write_job, write_result
from NePhiCore.pair_data import GridData, MaskPart, PairInputs, PairOutputs
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume

SMALL = ImageGeometry.from_spacing((3, 4, 5), (2.0, 3.0, 4.0), (1.0, 2.0, 3.0))
A_GRID = GridData(np.random.default_rng(0).normal(size=(3, 4, 5, 3)).astype(np.float32), SMALL)


def inputs(**changes) -> PairInputs:
    labels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    known = {
        "fixed_mask": (MaskPart(labels, SMALL, 7), MaskPart(labels[:, :, ::-1], SMALL)),
        "fixed_landmarks_ras_mm": np.array([[1.0, 2, 3]]),
        "moving_landmarks_ras_mm": np.array([[4.0, 5, 6]]),
    }
    return PairInputs(Volume(hu(), grid(), "é"), Volume(hu()[::-1], grid(SHIFT_RAS_MM), "moving"), **known, **changes)


@pytest.mark.parametrize("initial", [None, np.diag([1.0, 2, 3, 1]), A_GRID], ids=["none", "matrix", "grid"])
def test_a_job_comes_back_as_it_was(tmp_path, initial):
    given, settings = (
        inputs(initial=initial, lung_function=True, inhale="moving"),
        settings_for("fast", seed=3).as_dict(),
    )
    list(write_job(tmp_path, given, settings, "weights.pt"))
    found, found_settings, model_file = read_job(tmp_path)
    assert (found_settings, model_file) == (settings, "weights.pt")
    for side in ("fixed", "moving"):
        one, other = getattr(given, side), getattr(found, side)
        assert other.name == one.name
        np.testing.assert_array_equal(other.hu, one.hu)
        np.testing.assert_array_equal(other.geometry.ijk_to_ras, one.geometry.ijk_to_ras)
        landmarks = f"{side}_landmarks_ras_mm"
        np.testing.assert_array_equal(getattr(found, landmarks), getattr(given, landmarks))
    assert found.moving_mask == ()
    assert (found.lung_function, found.inhale) == (True, "moving")
    for one, other in zip(given.fixed_mask, found.fixed_mask, strict=True):
        assert other.label == one.label
        np.testing.assert_array_equal(other.labels, one.labels)
        np.testing.assert_array_equal(other.geometry.ijk_to_ras, SMALL.ijk_to_ras)
    if isinstance(initial, GridData):
        np.testing.assert_array_equal(found.initial.displacement_ras_mm, initial.displacement_ras_mm)
        np.testing.assert_array_equal(found.initial.geometry.ijk_to_ras, SMALL.ijk_to_ras)
    elif initial is None:
        assert found.initial is None
    else:
        np.testing.assert_array_equal(found.initial, initial)


def test_a_result_comes_back_as_it_was(tmp_path):
    arrays = {name: np.full((2, 3, 4), n, np.float32) for n, name in enumerate(("warped", "determinant"))}
    masks = {name: np.ones((2, 3, 4), np.uint8) for name in ("folds", "fixed_lungs")}
    given = PairOutputs(A_GRID, A_GRID, **arrays, **masks, figures={"seconds": 1.5, "tre_mm": None})
    write_result(tmp_path, given)
    found = read_result(tmp_path)
    assert found.figures == given.figures
    np.testing.assert_array_equal(found.moving_to_fixed.displacement_ras_mm, A_GRID.displacement_ras_mm)
    np.testing.assert_array_equal(found.moving_to_fixed.geometry.ijk_to_ras, SMALL.ijk_to_ras)
    for name, array in {**arrays, **masks}.items():
        np.testing.assert_array_equal(getattr(found, name), array)


def test_maps_come_back_where_there_are_such(tmp_path):
    array = np.zeros((2, 3, 4), np.float32)
    common = (A_GRID, A_GRID, array, array, array, array)
    write_result(tmp_path, PairOutputs(*common))
    assert read_result(tmp_path).lung_function == {}
    maps = {"ventilation_jacobian": array + 1, "parametric_response": np.ones((2, 3, 4), np.uint8)}
    write_result(tmp_path, PairOutputs(*common, lung_function={name: (lambda a=a: a) for name, a in maps.items()}))
    found = read_result(tmp_path).lung_function
    assert list(found) == list(maps)
    for name, expected in maps.items():
        np.testing.assert_array_equal(found[name](), expected, strict=True)


def test_an_array_is_written_in_pieces_and_has_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(job_files, "_PIECE_BYTES", 1000)
    array = np.arange(10_000, dtype=np.int16).reshape(100, 10, 10)[:, :, ::2]  # not contiguous
    steps = write_array(tmp_path / "a.npy", array)
    for _ in range(5):
        next(steps)
    assert not (tmp_path / "a.npy").exists()
    assert len(list(steps)) >= 5
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_the_description_is_written_last(tmp_path):
    steps = write_job(tmp_path, inputs(), settings_for("fast").as_dict(), None)
    for _ in steps:
        assert not (tmp_path / job_files.JOB).exists()
    assert json.loads((tmp_path / job_files.JOB).read_text(encoding="utf-8"))["fixed"]["name"] == "é"
