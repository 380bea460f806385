"""What a stretch prints and leaves behind."""

from types import SimpleNamespace

import torch
from training_cases import CONFIG

from training import logbook
from training.logbook import Logbook
from training.run_file import KEPT_OPTIONS, TrainingRun, read_run
from training.workers import Workers


class Data:
    def origin(self):
        return {"sha256": "5" * 64}


def a_logbook(folder) -> tuple[Logbook, TrainingRun]:
    run = TrainingRun.begin(CONFIG, "cpu")
    options = SimpleNamespace(**dict.fromkeys(KEPT_OPTIONS, 7), out=folder / "run.pt")
    sources = {"simulated": Data(), "random": object()}
    return Logbook(run, sources, options, Workers(0, 1, torch.device("cpu")), started=0.0), run


def test_the_file_tells_seed_commit_device_and_hashes_of_the_data(tmp_path):
    book, run = a_logbook(tmp_path)
    run.step = 3
    book.finish()
    content = read_run(tmp_path / "run.pt")
    assert content["options"]["seed"] == 7 and content["config"] == CONFIG.as_dict()
    (stretch,) = content["stretches"]
    assert stretch["steps"] == [0, 3] and stretch["commit"] and stretch["device"] == "cpu" and stretch["processes"] == 1
    assert stretch["sources"] == ["simulated", "random"] and stretch["data"] == {"simulated": {"sha256": "5" * 64}}


def test_figures_are_reported_now_and_then_and_drawn_at_the_end(tmp_path, capsys):
    book, run = a_logbook(tmp_path)
    for step in range(1, logbook.REPORT_EVERY + 2):
        run.step = step
        book.add("random", {"loss": torch.tensor(2.0)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("reading simulated, random") and len(lines) == 2 and lines[1].endswith("random loss 2")
    book.finish()
    assert (tmp_path / "run.png").stat().st_size > 5000
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 3  # columns, step 50, step 51


def test_a_long_stretch_is_saved_on_the_way(tmp_path, monkeypatch):
    book, run = a_logbook(tmp_path)
    book.add("random", {"loss": torch.tensor(2.0)})
    assert not (tmp_path / "run.pt").exists()
    monkeypatch.setattr(logbook, "SAVE_SECONDS", -1)
    run.step = 4
    book.add("random", {"loss": torch.tensor(2.0)})
    assert read_run(tmp_path / "run.pt")["step"] == 4


def test_without_matplotlib_the_table_remains(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(logbook, "find_spec", lambda name: None)
    book, _ = a_logbook(tmp_path)
    book.finish()
    assert "no picture" in capsys.readouterr().out and not (tmp_path / "run.png").exists()
