"""Figures of a run: means in a CSV that goes on where the run goes on, and their picture."""

import csv

import pytest
import torch

from training.curves import Curves, main


def rows(path) -> list[tuple[str, ...]]:
    with path.open(newline="") as file:
        return [(row["step"], row["source"], row["figure"], row["value"]) for row in csv.DictReader(file)]


def test_means_since_the_last_time_are_written(tmp_path):
    curves = Curves(tmp_path / "run.csv")
    for value in (1.0, 3.0):
        curves.add("random", {"loss": torch.tensor(value)})
    curves.add("cohort", {"loss": 7.0})
    assert curves.write(50, 12.3) == "cohort loss 7  random loss 2"
    curves.add("random", {"loss": 5.0})
    curves.write(100, 20)
    assert rows(tmp_path / "run.csv") == [
        ("50", "cohort", "loss", "7"),
        ("50", "random", "loss", "2"),
        ("100", "random", "loss", "5"),
    ]


def test_a_resumed_run_drops_what_lies_beyond_its_checkpoint(tmp_path):
    first = Curves(tmp_path / "run.csv")
    for step in (50, 100, 150):
        first.add("random", {"loss": float(step)})
        first.write(step, 0)
    resumed = Curves(tmp_path / "run.csv", step=100)
    resumed.add("random", {"loss": 1.0})
    resumed.write(150, 0)
    assert [(step, value) for step, _, _, value in rows(tmp_path / "run.csv")] == [
        ("50", "50"),
        ("100", "100"),
        ("150", "1"),
    ]


def test_a_new_run_begins_a_new_table(tmp_path):
    (tmp_path / "run.csv").write_text("step,seconds,source,figure,value\n50,1,random,loss,9\n")
    Curves(tmp_path / "run.csv")
    assert rows(tmp_path / "run.csv") == []


@pytest.mark.parametrize("steps", [0, 3])
def test_the_picture_is_drawn_beside_the_table(tmp_path, steps):
    curves = Curves(tmp_path / "run.csv")
    for step in range(1, steps + 1):
        for source in ("random", "simulated"):
            curves.add(source, {"loss": 1 / step, "round trip, mm": step - 1})
        curves.write(50 * step, step)
    main([str(tmp_path / "run.csv")])
    picture = (tmp_path / "run.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > (20_000 if steps else 500)
