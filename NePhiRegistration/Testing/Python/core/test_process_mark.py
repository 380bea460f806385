import os
import subprocess
import sys

import pytest

from NePhiCore import process_mark as module
from NePhiCore.process_mark import is_of_dead_process, process_mark

pytestmark = pytest.mark.skipif(os.name == "nt", reason="NOT TESTED HERE: Windows processes are never asked for")


@pytest.fixture
def ended_mark():
    program = "from NePhiCore.process_mark import process_mark; print(process_mark())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True).stdout[:-1]


def test_a_process_that_has_ended_is_known_by_its_mark(ended_mark):
    assert is_of_dead_process(ended_mark)
    assert ended_mark.partition("-")[0] == process_mark().partition("-")[0]


def test_living_processes_are_left_alone():
    assert not is_of_dead_process(process_mark())
    where = process_mark().partition("-")[0]
    assert not is_of_dead_process(f"{where}-1") and not is_of_dead_process(f"{where}-{os.getppid()}")


def test_a_process_of_another_user_is_alive(ended_mark, monkeypatch):
    def kill(*_):
        raise PermissionError

    monkeypatch.setattr(module.os, "kill", kill)
    assert not is_of_dead_process(ended_mark)


@pytest.mark.parametrize("spoil", ["0123abcd-{number}", "{where}-", "{where}-{number}9999999999", "", "{number}"])
def test_what_cannot_be_told_is_not_dead(ended_mark, spoil):
    where, _, number = ended_mark.partition("-")
    assert not is_of_dead_process(spoil.format(where=where, number=number))


def test_windows_is_never_asked(ended_mark, monkeypatch):
    monkeypatch.setattr(module.os, "name", "nt")
    assert not is_of_dead_process(ended_mark)
