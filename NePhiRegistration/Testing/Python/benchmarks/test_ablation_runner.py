"""Rows: what is in them, what is not run twice, what becomes of a failure."""

import json

import pytest
import torch

from benchmarks.ablation import runner
from benchmarks.ablation.results import Results
from benchmarks.ablation.runner import Job, run_jobs
from benchmarks.ablation.studies import Study, Variant
from NePhiCore.checkpoint import LoadedModel
from NePhiCore.errors import OptimisationDivergedError
from NePhiCore.optimisation import LossTrace

MODEL = LoadedModel(None, "0" * 64, "a.pt", {})
PLAIN, SEEDED = Variant("plain"), Variant("seeded", {"seed": 7})


class ASubject:
    name, is_semi_synthetic = "d1", True


def a_job(variant=PLAIN, study="one"):
    subject = ASubject()
    return Job(Study(study, "", "", (variant,)), variant, subject, subject)


@pytest.fixture
def registered(monkeypatch) -> list:
    """What was registered; instead of its registration each has its number as a figure."""
    calls = []

    def figures_of(job, settings, model):
        calls.append((job.variant.name, settings))
        return {"tre_mean_mm": len(calls) + 1 / 3}

    monkeypatch.setattr(runner, "figures_of", figures_of)
    return calls


def run(path, *todo, model=MODEL, **options) -> list[dict]:
    run_jobs(iter(todo), model, Results(path), "cpu", **options)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_says_what_it_was_made_with(tmp_path, registered):
    row = run(tmp_path / "new" / "rows.jsonl", a_job(SEEDED))[0]
    assert (row["study"], row["variant"], row["pair"], row["seed"]) == ("one", "seeded", "d1", 7)
    assert row["settings"] == registered[0][1].as_dict() and row["settings"]["seed"] == 7
    assert (row["model_sha256"], row["threads"]) == ("0" * 64, torch.get_num_threads())
    assert row["start"] == {"from": "encoder"} and row["semi_synthetic"] is True
    assert row["version"] and row["commit"] and row["torch"]
    assert row["figures"] == {"tre_mean_mm": 1.3333}


def test_a_second_start_runs_only_what_is_missing(tmp_path, registered):
    run(tmp_path / "rows.jsonl", a_job())
    rows = run(tmp_path / "rows.jsonl", a_job(), a_job(SEEDED))
    assert [name for name, _ in registered] == ["plain", "seeded"]
    assert [row["variant"] for row in rows] == ["plain", "seeded"]


def test_other_weights_or_settings_are_run_anew(tmp_path, registered):
    run(tmp_path / "rows.jsonl", a_job())
    run(tmp_path / "rows.jsonl", a_job(), model=LoadedModel(None, "f" * 64, "b.pt", {}))
    assert len(run(tmp_path / "rows.jsonl", a_job(), is_quick=True)) == len(registered) == 3


def test_two_studies_share_a_registration(tmp_path, registered):
    rows = run(tmp_path / "rows.jsonl", a_job(), a_job(Variant("the same"), "two"))
    assert len(registered) == 1
    assert [(row["study"], row["variant"]) for row in rows] == [("one", "plain"), ("two", "the same")]
    assert rows[0]["figures"] == rows[1]["figures"]


def test_what_diverges_is_a_row_that_says_so(tmp_path, monkeypatch):
    def diverge(*args, **kwargs):
        raise OptimisationDivergedError("The loss became NaN.", LossTrace())

    class AReadSubject(ASubject):
        volumes, lungs, encoded = (None, None), (None, None), None

    monkeypatch.setattr(runner, "register", diverge)
    subject = AReadSubject()
    rows = run(tmp_path / "rows.jsonl", Job(Study("one", "", "", (PLAIN,)), PLAIN, subject, subject))
    assert rows[0]["figures"] == {"failed": "The loss became NaN."}
