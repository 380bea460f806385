import dataclasses

import pytest
from test_case_record import record

from NePhiBatch.case_record import FAILED, Recipe, read_record, sizes_in
from NePhiBatch.folder_lock import FolderLock
from NePhiBatch.input_files import Fingerprint
from NePhiBatch.output_folder import OutputFolder, hidden_folder, records_in
from NePhiCore.errors import OutputError

RECIPE = Recipe({"fixed": Fingerprint("f", "1", "")}, None, {"seed": 0}, "w")
OTHER_RECIPE = dataclasses.replace(RECIPE, settings={"seed": 1})


@pytest.fixture
def folder(tmp_path):
    """A folder that is locked and cleared, as a run has it."""
    with FolderLock(hidden_folder(tmp_path)) as lock:
        found = OutputFolder(tmp_path, lock.token)
        found.clear()
        yield found


def attempted(folder, content="new", recipe=RECIPE, **changes):
    """A case in the making, and its record."""
    attempt = folder.begin("A")
    (attempt / "transform.h5").write_text(content)
    return attempt, record(recipe, outputs=sizes_in(attempt), **changes)


def content_of(folder):
    return (folder.case_folder("A") / "transform.h5").read_text(encoding="utf-8")


def test_a_case_appears_whole(folder, tmp_path):
    attempt, made = attempted(folder)
    assert not folder.case_folder("A").exists()
    assert folder.finish(attempt, made) is made
    assert content_of(folder) == "new"
    assert [one.case for one in records_in(tmp_path)] == ["A"]
    assert not folder.attempts("A")


def test_what_a_dead_worker_left_is_counted_and_cleared_by_the_next_run(folder, tmp_path):
    attempted(folder), attempted(folder)
    assert [path.name for path in folder.attempts("A")] == ["A~1", "A~2"]
    assert OutputFolder(tmp_path, "next").clear() == []
    assert not list((tmp_path / ".batch/attempts").glob("*/*"))
    assert not folder.case_folder("A").exists()


def test_a_case_that_only_missed_its_renaming_is_put_in_place(folder, tmp_path):
    attempt, made = attempted(folder)
    made.write(attempt)
    assert OutputFolder(tmp_path, "next").clear() == ["A"]
    assert content_of(folder) == "new"


def test_a_kill_between_the_two_renamings_loses_nothing(folder, tmp_path, monkeypatch):
    folder.finish(*attempted(folder, "old", OTHER_RECIPE))
    attempt, made = attempted(folder, finished="2021-01-01T00:00:00.000Z")
    from NePhiBatch import output_folder

    rename, calls = output_folder.os.rename, []

    def killed(source, target):
        if calls:
            raise KeyboardInterrupt
        calls.append(rename(source, target))

    monkeypatch.setattr(output_folder.os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.finish(attempt, made)
    monkeypatch.undo()
    assert not folder.case_folder("A").exists()
    assert OutputFolder(tmp_path, "next").clear() == ["A"]
    assert content_of(folder) == "new"


def test_an_attempt_whose_files_are_cut_short_is_not_rescued(folder, tmp_path):
    attempt, made = attempted(folder)
    made.write(attempt)
    (attempt / "transform.h5").write_text("n")
    assert OutputFolder(tmp_path, "next").clear() == []
    assert not folder.case_folder("A").exists()


def test_other_settings_take_the_place_of_the_old(folder):
    folder.finish(*attempted(folder, "old", OTHER_RECIPE))
    folder.finish(*attempted(folder, "new"))
    assert content_of(folder) == "new"
    assert read_record(folder.case_folder("A")).recipe == RECIPE


def test_who_comes_second_with_the_same_case_gives_way(folder):
    first = folder.finish(*attempted(folder, "first"))
    attempt, made = attempted(folder, "second")
    assert folder.finish(attempt, made) == first
    assert content_of(folder) == "first"
    assert not attempt.exists()


def test_a_damaged_case_does_not_stand_in_the_way_of_its_repair(folder):
    folder.finish(*attempted(folder, "first"))
    (folder.case_folder("A") / "transform.h5").write_text("")
    folder.finish(*attempted(folder, "second"))
    assert content_of(folder) == "second"


def test_a_failure_takes_the_place_of_a_failure(folder):
    folder.finish(*attempted(folder, status=FAILED, reason="one"))
    folder.finish(*attempted(folder, status=FAILED, reason="two"))
    assert read_record(folder.case_folder("A")).reason == "two"


def test_what_a_run_did_not_make_is_not_removed(folder):
    folder.case_folder("A").mkdir()
    (folder.case_folder("A") / "exhale.nii.gz").touch()
    assert folder.is_foreign("A")
    with pytest.raises(OutputError, match="was not made by nephi batch"):
        folder.finish(*attempted(folder))
    assert (folder.case_folder("A") / "exhale.nii.gz").exists()


def test_workers_see_that_their_run_is_over(folder, tmp_path):
    assert folder.run_goes_on()
    assert not OutputFolder(tmp_path, "an earlier one").run_goes_on()
    (tmp_path / ".batch/run.json").unlink()
    assert not folder.run_goes_on()


def test_names_of_cases_do_not_run_into_each_other(folder):
    for name in ("A", "A.1", "A 1", "A-1"):
        folder.begin(name)
    assert [path.name for path in folder.attempts("A")] == ["A~1"]
