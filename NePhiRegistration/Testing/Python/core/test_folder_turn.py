"""One process at a time in a folder."""

import os
import sys
import threading

import pytest

from NePhiCore import folder_turn
from NePhiCore.errors import OutputError
from NePhiCore.folder_turn import turn_in

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="NOT TESTED HERE: this system has no such locks")


@needs_locks
def test_the_second_waits_for_the_first(tmp_path):
    order, inside = [], threading.Event()

    def second():
        inside.wait()
        with turn_in([tmp_path]):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with turn_in([tmp_path, tmp_path]):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@needs_locks
def test_one_that_never_ends_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_turn, "_PATIENCE_S", 0.05)
    with turn_in([tmp_path]), pytest.raises(OutputError, match="Another process"), turn_in([tmp_path]):
        pytest.fail("both are in")


def test_folders_of_their_own_do_not_wait(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with turn_in([tmp_path / "a"]), turn_in([tmp_path / "b"]):
        assert list(tmp_path.glob("*/*")) == []


@needs_locks
def test_a_disk_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(folder_turn.fcntl, "flock", fail)
    with turn_in([tmp_path]):
        assert tmp_path.exists()


def test_an_error_lets_go(tmp_path):
    with pytest.raises(KeyError), turn_in([tmp_path]):
        raise KeyError
    with turn_in([tmp_path]):
        pass
