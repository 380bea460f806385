from pathlib import Path

from benchmarks import mismatched

FIGURES = {"local_ncc": 0.7, "dice": 0.9, "motion_p95_mm": 30.0, "light_share": 0.9, "cut_cm2": 0.0}


def test_every_pair_and_everybody_with_somebody_else():
    pairs, singles = [(Path("f"), Path("m"))], [Path("a"), Path("b")]
    assert [(same, *map(str, of)) for same, *of in mismatched.combinations(pairs, singles)] == [
        (True, "f", "m"),
        (False, "f", "a"),
        (False, "f", "b"),
        (False, "a", "b"),
    ]


def test_a_second_run_goes_on_where_the_first_was_stopped(tmp_path, monkeypatch):
    measured = []

    def measure(fixed, moving, preset, model):
        if len(measured) == 1 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        measured.append((fixed.name, moving.name))
        return {**FIGURES, "local_ncc": 0.8 if moving.name == "m" else 0.3}

    stopped = []
    monkeypatch.setattr(mismatched, "load_checkpoint", lambda path: None)
    monkeypatch.setattr(mismatched, "measure", measure)
    arguments = ["--pair", "f", "m", "--single", "a", "--results", str(tmp_path / "r"), "--output", str(tmp_path / "d")]
    try:
        mismatched.main(arguments)
    except KeyboardInterrupt:
        assert not (tmp_path / "d").exists()
    assert mismatched.main(arguments) == 0
    assert measured == [("f", "m"), ("f", "a")]
    text = (tmp_path / "d").read_text()
    assert "| fast | one | 1 | 0.80 / 0.80 / 0.80 |" in text
    assert "| fast | two | 1 | 0.30 / 0.30 / 0.30 |" in text
