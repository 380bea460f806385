"""Whole trainings of a tiny model: exact resumption, several processes, what is refused."""

import argparse
import os
import subprocess
import sys

import pytest
import torch
from training_cases import CONFIG, folder_of_pairs, same_tensors, train

from NePhiCore.errors import SettingsError
from training.train import Workers, learning_rate, source_of_step


def options(**values) -> argparse.Namespace:
    return argparse.Namespace(**{"steps": 1000, "rate": 1e-3, "seed": 0, "synthetic_share": 0.3, **values})


def same_run(first: dict, second: dict) -> bool:
    states = first["optimiser"]["state"], second["optimiser"]["state"]
    assert states[0].keys() == states[1].keys() and len(states[0]) > 10
    moments = all(same_tensors(states[0][number], states[1][number]) for number in states[0])
    same_groups = first["optimiser"]["param_groups"] == second["optimiser"]["param_groups"]
    weights = all(same_tensors(first[name], second[name]) for name in ("model", "raw"))
    return moments and same_groups and weights and first["step"] == second["step"]


def test_two_stretches_are_one_bit_for_bit(tmp_path, monkeypatch):
    """Weights, their mean, Adam's moments, the schedule, and what is drawn: all go on as without an end."""
    pairs = folder_of_pairs(tmp_path / "pairs")
    whole = train(tmp_path / "whole.pt", "--pairs", pairs, "--steps", 8, "--rate", 0.01, "--seed", 3)
    with monkeypatch.context() as patch:
        asked = iter([False] * 3 + [True])
        patch.setattr(Workers, "agree", lambda self, decision: next(asked))
        part = train(tmp_path / "part.pt", "--pairs", pairs, "--steps", 8, "--rate", 0.01, "--seed", 3)
    assert part["step"] == 3 and not same_tensors(part["raw"], whole["raw"])
    resumed = train(tmp_path / "resumed.pt", "--pairs", pairs, "--resume", tmp_path / "part.pt")
    assert same_run(resumed, whole) and resumed["stretches"] == whole["stretches"]
    assert resumed["options"] == whole["options"]


def test_seeds_lead_to_different_runs_and_one_seed_to_one(tmp_path):
    first, again, other = (
        train(tmp_path / f"{n}.pt", "--steps", 2, "--seed", seed) for n, seed in enumerate((0, 0, 1))
    )
    assert same_run(first, again) and not same_tensors(first["raw"], other["raw"])


@pytest.mark.timeout(120)
def test_two_processes_train_like_one_with_the_whole_batch(tmp_path):
    pairs = folder_of_pairs(tmp_path / "pairs")
    settings = "--pairs", pairs, "--steps", 6, "--rate", 0.1, "--precision", "float32", "--batch", 4
    begun, one = (train(tmp_path / "one.pt", *settings, "--minutes", minutes) for minutes in (0, 5))
    script = tmp_path / "two.py"
    script.write_text("import sys\nfrom NePhiCore.model import ModelConfig\nfrom training.train import main\n")
    with script.open("a") as file:
        file.write(f"main(sys.argv[1:], {CONFIG!r})\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    arguments = (*settings, "--points", 64, "--device", "cpu", "--out", tmp_path / "two.pt")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [str(part) for part in (*command, *arguments)], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    assert two["step"] == 6 and two["stretches"][0]["processes"] == 2
    moved = max(float((one["raw"][name] - begun["raw"][name]).abs().max()) for name in one["raw"])
    apart = max(float((one["raw"][name] - two["raw"][name]).abs().max()) for name in one["raw"])
    assert moved > 1e-3 and apart < 1e-2 * moved


def test_a_stretch_without_time_does_nothing_but_save(tmp_path):
    assert train(tmp_path / "new folder" / "run.pt", "--minutes", 0)["step"] == 0


def test_a_new_run_starts_from_weights(tmp_path):
    first = train(tmp_path / "first.pt", "--steps", 2, "--rate", 0.01)
    begun = train(tmp_path / "second.pt", "--start-from", tmp_path / "first.pt", "--minutes", 0, "--steps", 9)
    assert begun["step"] == 0 and begun["options"]["steps"] == 9 and same_tensors(begun["raw"], first["model"])


def test_a_resumed_run_keeps_its_settings_unless_told_otherwise(tmp_path):
    train(tmp_path / "run.pt", "--steps", 4, "--rate", 0.01, "--seed", 5, "--minutes", 0)
    resumed = train(tmp_path / "run.pt", "--resume", tmp_path / "run.pt", "--rate", 0.02, "--minutes", 0)
    assert (resumed["options"]["seed"], resumed["options"]["rate"], resumed["options"]["steps"]) == (5, 0.02, 4)


def test_a_run_that_is_over_says_so(tmp_path):
    train(tmp_path / "run.pt", "--steps", 1)
    with pytest.raises(SettingsError, match="has done its 1 steps"):
        train(tmp_path / "run.pt", "--resume", tmp_path / "run.pt")


def test_a_run_does_not_change_its_data_in_passing(tmp_path):
    pairs = folder_of_pairs(tmp_path / "pairs")
    train(tmp_path / "run.pt", "--pairs", pairs, "--steps", 4, "--minutes", 0)
    with pytest.raises(SettingsError, match="reads simulated, random, but would now read random"):
        train(tmp_path / "run.pt", "--resume", tmp_path / "run.pt")


def test_random_motions_get_their_share_and_the_others_equal_parts():
    names = [source_of_step(["simulated", "cohort", "random"], step, options()) for step in range(2000)]
    shares = [names.count(name) / 2000 for name in ("random", "simulated", "cohort")]
    assert shares == pytest.approx([0.3, 0.35, 0.35], abs=0.04)
    assert source_of_step(["random"], 0, options(synthetic_share=0)) == "random"


def test_the_rate_rises_to_its_value_and_falls_to_almost_nothing():
    rates = [learning_rate(step, options()) for step in range(1001)]
    assert rates[0] == pytest.approx(1e-5, rel=0.01) and max(rates) == pytest.approx(1e-3, rel=0.05)
    assert rates.index(max(rates)) == 99 and rates[1000] == pytest.approx(5e-6)
