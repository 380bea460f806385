"""`nephi batch` in this process, its cases registered as they are given out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from batch_cases import (
    InlineWorkers,
    batch_arguments,
    events,
    record_of,
    rows_of,
    statuses,
    times_put_in_place,
    write_cohort,
)
from core.command_cases import SHAPE_KJI, grid, quick_registration, run

from NePhiBatch import batch_command, case_run, worker_start
from NePhiBatch.folder_lock import FolderLock
from NePhiBatch.output_folder import hidden_folder
from NePhiCore.image_io import write_volume

FILES = {
    "transform.h5",
    "inverse.h5",
    "warped.nii.gz",
    "jacobian.nii.gz",
    "ventilation_jacobian.nii.gz",
    "ventilation_density.nii.gz",
    "parametric_response.nii.gz",
    "report.json",
    "log.txt",
    "case.json",
    "pictures",
}


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    """The workers of every batch of a test, one after the other."""
    made = []

    def make():
        made.append(InlineWorkers())
        return made[-1]

    monkeypatch.setattr(batch_command, "OneWorker", make)
    monkeypatch.setattr(batch_command, "OneProcess", InlineWorkers)
    worker_start._weights.cache_clear()
    return made


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A manifest of two cases, not to be changed."""
    return write_cohort(tmp_path_factory.mktemp("cohort"), ["A", "B"])


@pytest.fixture(scope="module")
def finished(cohort, tmp_path_factory):
    """The folder of a batch that ended well, not to be changed."""
    output = tmp_path_factory.mktemp("finished") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_command, "OneWorker", InlineWorkers)
        assert run(batch_arguments(cohort, output)).code == 0
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "out")


def test_every_case_has_its_files_and_its_row(finished):
    assert statuses(finished) == {"A": "done", "B": "done"}
    for case in "AB":
        assert {path.name for path in (finished / "cases" / case).iterdir()} == FILES
    report = json.loads((finished / "cases/A/report.json").read_text(encoding="utf-8"))
    row = rows_of(finished)["A"]
    assert float(row["local_ncc"]) == pytest.approx(report["similarity"]["after"]["local_ncc"], rel=1e-5)
    assert float(row["lung_volume_fixed_litres"]) == pytest.approx(report["lung_volume_litres"]["fixed"], rel=1e-5)
    assert row["inhale_image"] == report["lung_function"]["inhale_image"]
    assert row["finished"].endswith("Z")
    codes = [warning["code"] for warning in report["warnings"]]
    assert codes and row["warning_codes"].split() == list(dict.fromkeys(codes))


def test_nothing_is_left_in_the_making(finished):
    assert {path.name for path in finished.iterdir()} == {
        "results.csv",
        "index.html",
        "batch.log",
        "logs",
        "cases",
        ".batch",
    }
    assert not list((finished / ".batch/attempts").glob("*/*"))
    assert not (finished / ".batch/run.json").exists()


def test_the_log_of_a_case_names_its_steps(finished):
    log = (finished / "cases/A/log.txt").read_text(encoding="utf-8")
    for step in ("reading", "encoding", "evaluation", "quality", "writing", "done"):
        assert f" {step}\n" in log


def test_weights_are_read_once_a_worker(finished):
    (log,) = (finished / "logs").glob("*.log")
    assert log.read_text(encoding="utf-8").count("weights read: small.pt") == 1


def written(output):
    """When each file of the cases was written; case.json may learn where its inputs lie now."""
    files = (path for path in (output / "cases").rglob("*") if path.is_file() and path.name != "case.json")
    return {path: path.stat().st_mtime_ns for path in files}


def test_what_is_done_is_not_done_again(cohort, output, workers):
    before = written(output)
    ended = run(batch_arguments(cohort, output))
    assert ended.code == 0
    assert "Registered 0 of 2 cases" in ended.out and "2 were done before" in ended.out
    assert workers == []  # nobody was even asked
    assert written(output) == before
    assert statuses(output) == {"A": "done", "B": "done"}


def test_only_what_changed_is_done_again(cohort, output, tmp_path, workers):
    study = shutil.copytree(cohort.parent, tmp_path / "study")
    fixed = np.full(SHAPE_KJI, -800, np.int16)
    fixed += np.arange(fixed.size, dtype=np.int16).reshape(SHAPE_KJI) % 100
    write_volume(study / "B/fixed.nii.gz", fixed, grid())
    assert run(batch_arguments(study / "cohort.csv", output)).code == 0
    assert workers[0].submitted == ["B"]


@pytest.mark.parametrize("change", ["settings", "weights"])
def test_other_settings_or_weights_do_all_again(cohort, output, workers, tmp_path, change):
    arguments = batch_arguments(cohort, output)
    if change == "settings":
        arguments += ["--seed", "1"]
    else:
        import torch
        from core.command_cases import SMALL_MODEL

        from NePhiCore.checkpoint import save_checkpoint
        from NePhiCore.model import NePhiModel

        torch.manual_seed(1)
        save_checkpoint(tmp_path / "other.pt", NePhiModel(SMALL_MODEL), {})
        arguments[arguments.index("--model") + 1] = str(tmp_path / "other.pt")
    assert run(arguments).code == 0
    assert workers[0].submitted == ["A", "B"]


@pytest.mark.parametrize("damage", ["transform.h5", "report.json", "case.json", "pictures/pictures.json", "whole"])
def test_a_case_that_is_not_whole_is_done_again(cohort, output, workers, damage):
    folder = output / "cases/B"
    if damage == "whole":
        shutil.rmtree(folder)
    else:
        with (folder / damage).open("r+b") as file:
            file.truncate(10)
    assert run(batch_arguments(cohort, output)).code == 0
    assert workers[0].submitted == ["B"]
    assert statuses(output) == {"A": "done", "B": "done"}


def test_a_lost_table_is_made_again_from_the_cases(cohort, output):
    before = rows_of(output)
    (output / "results.csv").write_text("case,stat")
    assert run(batch_arguments(cohort, output)).code == 0
    assert rows_of(output) == before


def test_cases_of_another_manifest_stay_in_the_table(output, tmp_path):
    other = write_cohort(tmp_path / "other", ["Z"])
    assert run(batch_arguments(other, output)).code == 0
    assert list(statuses(output)) == ["Z", "A", "B"]


def failing(monkeypatch, names):
    """Make the cases of these names fail, until they are taken from the list."""
    register = case_run._register

    def register_or_fail(job, *more):
        if job.case.name in names:
            raise ValueError("out of luck")
        register(job, *more)

    monkeypatch.setattr(case_run, "_register", register_or_fail)


def test_a_failure_is_kept_until_it_shall_be_tried_again(cohort, tmp_path, monkeypatch, workers):
    unlucky = ["A"]
    failing(monkeypatch, unlucky)
    first = run(batch_arguments(cohort, tmp_path / "out"))
    assert first.code == 1
    assert "A failed: unexpected ValueError: out of luck" in first.out
    assert first.complaint == "nephi: error: Failed, for the reasons named above: A."
    assert statuses(tmp_path / "out") == {"A": "failed", "B": "done"}
    assert {path.name for path in (tmp_path / "out/cases/A").iterdir()} == {"log.txt", "case.json"}
    assert "out of luck" in (tmp_path / "out/cases/A/log.txt").read_text(encoding="utf-8")

    unlucky.clear()
    again = run(batch_arguments(cohort, tmp_path / "out"))
    assert (again.code, len(workers)) == (1, 1)
    assert "A failed: unexpected ValueError" in again.out

    retried = run(batch_arguments(cohort, tmp_path / "out", "--retry-failed"))
    assert (retried.code, workers[1].submitted) == (0, ["A"])
    assert statuses(tmp_path / "out") == {"A": "done", "B": "done"}
    assert times_put_in_place(tmp_path / "out") == {"A": 2, "B": 1}
    assert [what for case, what in events(tmp_path / "out") if case == "A"] == [
        "begins",
        "failed",
        "in place",
        "begins",
        "registered",
        "in place",
    ]


def test_a_failure_is_told_without_the_names_of_folders(cohort, tmp_path, monkeypatch):
    def fail(job, *more):
        raise OSError(f"{job.case.files['fixed']} is gone")

    monkeypatch.setattr(case_run, "_register", fail)
    assert run(batch_arguments(cohort, tmp_path / "out")).code == 1
    folder = str(cohort.parent)
    for name in ("results.csv", "index.html", "cases/A/log.txt"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "fixed.nii.gz is gone" in text and folder not in text, name


def test_a_failure_with_other_inputs_is_tried_again_unasked(tmp_path, monkeypatch, workers):
    manifest = write_cohort(tmp_path / "study", ["A"])
    unlucky = ["A"]
    failing(monkeypatch, unlucky)
    assert run(batch_arguments(manifest, tmp_path / "out")).code == 1
    unlucky.clear()
    shutil.copyfile(tmp_path / "study/A/moving.nii.gz", tmp_path / "study/A/fixed.nii.gz")
    shutil.copyfile(tmp_path / "study/A/moving_mask.nii.gz", tmp_path / "study/A/fixed_mask.nii.gz")
    assert run(batch_arguments(manifest, tmp_path / "out")).code == 0


def test_a_worker_that_is_asked_twice_in_one_run_does_it_once(cohort, tmp_path, monkeypatch):
    """Dask asks for a case again when its worker died after it had put the case in place."""

    class Forgetful(InlineWorkers):
        def submit(self, job):
            super().submit(job)
            return super().submit(job)

    monkeypatch.setattr(batch_command, "OneWorker", Forgetful)
    assert run(batch_arguments(cohort, tmp_path / "out")).code == 0
    assert times_put_in_place(tmp_path / "out") == {"A": 1, "B": 1}
    assert [what for _, what in events(tmp_path / "out")].count("begins") == 2


def test_pictures_that_fail_do_not_fail_the_case(cohort, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no paper")

    monkeypatch.setattr("NePhiBatch.case_pictures.write_case_pictures", fail)
    assert run(batch_arguments(cohort, tmp_path / "out")).code == 0
    assert "no pictures: unexpected RuntimeError: no paper" in (tmp_path / "out/cases/A/log.txt").read_text(
        encoding="utf-8"
    )


def test_files_that_nobody_can_look_at_are_a_bad_row(cohort, tmp_path, monkeypatch):
    def fail_with_one(case):
        return 1 / 0 if case.name == "A" else []

    monkeypatch.setattr("NePhiBatch.input_checks.problems_of", fail_with_one)
    ended = run(batch_arguments(cohort, tmp_path / "out"))
    assert ended.code == 1
    assert "line 2, case A: Its files cannot be looked at: unexpected ZeroDivisionError: division by zero" in ended.err
    assert statuses(tmp_path / "out") == {"A": "refused", "B": "done"}


def test_a_case_folder_of_somebody_else_is_left_alone(cohort, tmp_path):
    (tmp_path / "out/cases/A").mkdir(parents=True)
    (tmp_path / "out/cases/A/notes.txt").touch()
    ended = run(batch_arguments(cohort, tmp_path / "out"))
    assert ended.code == 1
    assert "line 2, case A:" in ended.err and "was not made by nephi batch" in ended.err
    assert statuses(tmp_path / "out") == {"A": "refused", "B": "done"}
    assert (tmp_path / "out/cases/A/notes.txt").exists()


def test_two_runs_on_one_folder_refuse_each_other(cohort, output):
    before = (output / "results.csv").read_bytes()
    with FolderLock(hidden_folder(output)):
        ended = run(batch_arguments(cohort, output))
    assert ended.code == 2
    assert "Another run is working in" in ended.complaint
    assert (output / "results.csv").read_bytes() == before


def test_a_cohort_in_a_folder_needs_no_manifest(cohort, tmp_path, workers):
    arguments = batch_arguments(
        cohort, tmp_path / "out", "--fixed={case}/fixed.nii.gz", "--moving={case}/moving.nii.gz"
    )
    arguments += ["--fixed-mask={case}/fixed_mask.nii.gz", "--moving-mask={case}/moving_mask.nii.gz"]
    arguments[1] = str(cohort.parent)
    assert run(arguments).code == 0
    assert statuses(tmp_path / "out") == {"A": "done", "B": "done"}


def test_landmarks_an_initial_transform_and_inhale_are_used(tmp_path):
    manifest = write_cohort(tmp_path / "study", ["A"])
    transform = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_3_3\nParameters: -10 6 14\n"
    (tmp_path / "study/t.tfm").write_text(transform + "FixedParameters:\n")
    header, row = manifest.read_text(encoding="utf-8").splitlines()
    header += ",fixed_landmarks,moving_landmarks,initial_transform,inhale"
    manifest.write_text(f"{header}\n{row},A/fixed.csv,A/moving.csv,t.tfm,fixed\n")
    assert run(batch_arguments(manifest, tmp_path / "out")).code == 0
    row = rows_of(tmp_path / "out")["A"]
    assert (row["landmarks"], row["inhale_image"]) == ("3", "fixed")
    assert float(row["tre_mean_mm"]) == pytest.approx(3.0, abs=0.1)  # where write_pair puts them
    assert {"fixed_landmarks", "initial_transform"} < {*record_of(tmp_path / "out", "A")["recipe"]["inputs"]}


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (["--workers", "0"], "expected a whole number from 1"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "not allowed with"),
        (["--slurm-option", "queue=x"], "--slurm-option is for --slurm N"),
        (["--preset", "best"], "invalid choice"),
        (["--fixed", "{case}.nii"], "patterns are for a folder"),
        (["--model", "none.pt"], "cannot be read"),
        (["--frobnicate"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_made(cohort, tmp_path, more, cause):
    ended = run(batch_arguments(cohort, tmp_path / "out", *more))
    assert ended.code == 2
    assert cause in ended.complaint
    assert not (tmp_path / "out").exists()


def test_the_report_is_written_again_on_demand(output):
    (output / "index.html").unlink()
    ended = run(["report", str(output)])
    assert ended.code == 0
    assert Path(ended.out.removeprefix("Written: ").strip()) == output / "index.html"
    assert (output / "index.html").exists()


def test_a_report_needs_results(tmp_path):
    ended = run(["report", str(tmp_path)])
    assert ended.code == 2
    assert "holds no results.csv" in ended.complaint
