"""Sessions kept as lines of JSON, and compared."""

from benchmarks.history import add_session, read_sessions, slower_than_before
from benchmarks.machine import Machine
from benchmarks.measurements import Run, summarised


def machine(processor="a", threads=2) -> Machine:
    return Machine(processor, 4, threads, "", "", "", 100.0, 20.0)


def measured(cpu_seconds: float, name="NePhi fast"):
    return summarised(name, "d1", [Run(cpu_seconds, cpu_seconds, 1, {}, None)], {"threads": 2})


def test_sessions_come_back_in_order(tmp_path):
    path = tmp_path / "history.jsonl"
    assert read_sessions(path) == []
    for seconds in (5.0, 6.0):
        add_session(path, machine(), [measured(seconds)], "1.0")
    first, second = read_sessions(path)
    assert [s["measurements"][0]["cpu_seconds"] for s in (first, second)] == [5.0, 6.0]
    assert first["machine"]["processor"] == "a" and first["version"] == "1.0"


def test_only_what_got_clearly_slower_on_the_same_machine_is_told(tmp_path):
    path = tmp_path / "history.jsonl"
    add_session(path, machine(), [measured(10.0), measured(5.0, "other")], "1.0")
    add_session(path, machine("b"), [measured(1.0)], "1.0")
    add_session(path, machine(), [measured(13.0), measured(5.5, "other"), measured(9.0, "new")], "1.1")
    assert slower_than_before(read_sessions(path)) == ["NePhi fast, d1: 10.0 -> 13.0 s"]


def test_a_first_session_has_nothing_to_be_compared_with(tmp_path):
    path = tmp_path / "history.jsonl"
    assert slower_than_before([]) == []
    add_session(path, machine(), [measured(1.0)], "1.0")
    assert slower_than_before(read_sessions(path)) == []
