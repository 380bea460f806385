import dataclasses
import json

import pytest

from NePhiBatch.case_record import DONE, FAILED, CaseRecord, Recipe, read_record, sizes_in
from NePhiBatch.input_files import Fingerprint
from NePhiBatch.manifest import BatchCase
from NePhiCore.settings import settings_for

SETTINGS = settings_for("fast", grid_spacing_mm=8.0)


@pytest.fixture
def case(tmp_path):
    files = {}
    for what in ("fixed", "moving"):
        files[what] = tmp_path / f"{what}.nrrd"
        files[what].write_text(what)
    return BatchCase("A", files)


@pytest.fixture
def recipe(case):
    return Recipe.of(case, SETTINGS, "weights")


def record(recipe, **changes):
    values = {"case": "A", "status": DONE, "reason": "", "attempts": 1, "recipe": recipe, "seconds": 1.5}
    return CaseRecord(**{**values, "finished": "2020-01-01T00:00:00.000Z", "worker": "host-1", "run": "r", **changes})


def test_a_record_is_read_as_it_was_written(tmp_path, recipe):
    written = record(recipe, outputs={"transform.h5": 3})
    written.write(tmp_path)
    assert read_record(tmp_path) == written


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 0}', '{"format": 1, "case": "A"}'])
def test_what_is_no_record_is_none(tmp_path, content):
    (tmp_path / "case.json").write_text(content)
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "nowhere") is None


def test_the_device_does_not_matter(case, recipe):
    on_cpu = dataclasses.replace(SETTINGS, device="cpu")
    assert recipe.is_same(recipe.now(case, on_cpu, "weights"))


@pytest.mark.parametrize("what", ["content", "file", "settings", "seed", "weights", "inhale"])
def test_everything_that_changes_the_result_matters(case, recipe, tmp_path, what):
    settings, weights = SETTINGS, "weights"
    if what == "content":
        case.files["moving"].write_text("other")
    elif what == "file":
        (tmp_path / "mask.nrrd").write_text("mask")
        case.files["fixed_mask"] = tmp_path / "mask.nrrd"
    elif what == "settings":
        settings = dataclasses.replace(SETTINGS, grid_spacing_mm=9.0)
    elif what == "seed":
        settings = dataclasses.replace(SETTINGS, seed=1)
    elif what == "weights":
        weights = "others"
    else:
        case = dataclasses.replace(case, inhale="fixed")
    assert not recipe.is_same(recipe.now(case, settings, weights))


def test_a_recipe_is_the_same_after_a_round_trip_through_a_file(tmp_path, case, recipe):
    record(recipe).write(tmp_path)
    assert read_record(tmp_path).recipe.is_same(Recipe.of(case, SETTINGS, "weights"))


def test_an_input_that_could_not_be_read_is_never_the_same(recipe):
    unread = dataclasses.replace(recipe, inputs={**recipe.inputs, "fixed": Fingerprint("x", None, "")})
    assert not unread.is_same(unread)


def test_a_case_is_whole_while_its_files_have_their_sizes(tmp_path, recipe):
    folder = tmp_path / "A"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures/a.png").write_bytes(b"123")
    (folder / "t.h5").write_bytes(b"12")
    one = record(recipe, outputs=sizes_in(folder))
    one.write(folder)
    assert one.outputs == {"pictures/a.png": 3, "t.h5": 2}
    assert one.is_whole(folder)
    (folder / "a reader's notes.txt").touch()
    assert one.is_whole(folder)
    (folder / "t.h5").write_bytes(b"1")
    assert not one.is_whole(folder)
    (folder / "t.h5").unlink()
    assert not one.is_whole(folder)


def test_where_inputs_lie_now_is_remembered(tmp_path, recipe):
    one = record(recipe, status=FAILED)
    one.write(tmp_path)
    moved = dataclasses.replace(recipe, inputs={"fixed": Fingerprint("elsewhere", "hash", "stamp")})
    one.remember(moved, tmp_path)
    assert read_record(tmp_path).recipe == moved
    assert json.loads((tmp_path / "case.json").read_text(encoding="utf-8"))["status"] == FAILED
