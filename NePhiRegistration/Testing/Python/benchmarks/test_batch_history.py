"""The proof of the soak must fail where something was done twice, lost or cut."""

import json
from pathlib import Path

import pytest

from benchmarks import batch_soak
from benchmarks.batch_history import violations, whole_rows

CASES = ["A", "B"]


@pytest.fixture
def output(tmp_path) -> Path:
    """A folder of results of which everything is as it must be; B was cut short once."""
    for case in CASES:
        folder = tmp_path / "cases" / case
        folder.mkdir(parents=True)
        (folder / "transform.h5").write_text("12")
        recipe = {"inputs": {}, "inhale": None, "settings": {}, "weights_sha256": ""}
        record = {"format": 1, "case": case, "status": "done", "reason": "", "attempts": 1, "recipe": recipe}
        record |= {"seconds": 1.0, "finished": "", "worker": "w", "run": "r", "outputs": {"transform.h5": 2}}
        (folder / "case.json").write_text(json.dumps(record))
    (tmp_path / "results.csv").write_text("case,status\nA,done\nB,done\n")
    (tmp_path / "logs").mkdir()
    write_log(tmp_path, "h-1", "1 A: begins, attempt 1", "2 A: registered", "3 A: in place", "4 B: begins, attempt 1")
    write_log(tmp_path, "h-2", "5 B: begins, attempt 2", "6 B: registered", "7 B: in place")
    return tmp_path


def write_log(output, name, *lines):
    (output / "logs" / f"{name}.log").write_text("".join(f"{line}\n" for line in lines))


def test_nothing_is_said_where_all_is_well(output):
    assert violations(output, CASES, most_cut_short=1) == []


def test_more_was_cut_short_than_was_killed(output):
    assert violations(output, CASES, most_cut_short=0) == ["1 attempts were cut short, 0 could be"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["8 A: begins, attempt 1", "9 A: registered", "91 A: in place"], "A was 2 times registered"),
        (["8 A: begins, attempt 1", "9 A: registered", "91 A: dropped, it was"], "A was 2 times registered"),
        (["8 A: begins, attempt 1"], "A was begun again after it was in place"),
    ],
)
def test_a_case_was_done_twice(output, more, said):
    write_log(output, "h-3", *more)
    assert said in violations(output, CASES, most_cut_short=5)


def test_a_case_is_not_whole_or_not_there(output):
    (output / "cases/A/transform.h5").write_text("1")
    assert violations(output, [*CASES, "C"], most_cut_short=1) == [
        "C is not in results.csv",
        "the folder of A is not whole",
        "the folder of C is not whole",
        "C was 0 times registered",
        "C was 0 times in place",
    ]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("case,status\nA,do", "middle of a line"),
        ("case,status\nA\n", "too few cells"),
        ("case,status\nA,done\nA,done\n", "twice"),
    ],
)
def test_a_table_that_is_not_whole_is_found(tmp_path, text, cause):
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(ValueError, match=cause):
        whole_rows(tmp_path / "results.csv")


@pytest.mark.parametrize(("found", "code", "said"), [([], 0, "PROVED: "), (["A was 2 times in place"], 1, "A was 2")])
def test_the_soak_says_whether_it_proved_it(tmp_path, monkeypatch, capsys, found, code, said):
    monkeypatch.setattr(batch_soak, "_soak", lambda manifest, output, cases: found)
    monkeypatch.setattr(batch_soak, "write_cohort", lambda folder, count: (folder / "manifest.csv", ["A"]))
    (tmp_path / "manifest.csv").write_text("case\nA\n")
    assert batch_soak.main(["--cases", "1", "--throughput", "0", "--folder", str(tmp_path)]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(said)
