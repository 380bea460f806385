import signal
import threading

import pytest

from NePhiCore import interruption
from NePhiCore.interruption import Interruption

HANG_UP = getattr(signal, "SIGHUP", None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] + [HANG_UP] * (HANG_UP is not None))
def test_the_first_signal_is_only_noted(number, capfd):
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        with Interruption() as stopped:
            assert not stopped.happened
            signal.raise_signal(number)
            assert stopped.happened
    finally:
        signal.signal(number, before)
    assert "once more to quit at once" in capfd.readouterr().err


def test_the_second_signal_quits(monkeypatch):
    monkeypatch.setattr(interruption, "_SAME_S", -1)
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.skipif(HANG_UP is None, reason="NOT TESTED HERE: this system has no such signal")
def test_a_closed_terminal_is_ignored_where_the_process_was_started_so():
    before = signal.signal(HANG_UP, signal.SIG_IGN)
    try:
        with Interruption() as stopped:
            signal.raise_signal(HANG_UP)
            assert not stopped.happened
    finally:
        signal.signal(HANG_UP, before)


def test_one_key_press_that_arrives_twice_is_one():
    with Interruption() as stopped:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stopped.happened


def test_the_handlers_from_before_come_back():
    def handler(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Interruption():
            assert signal.getsignal(signal.SIGINT) is not handler
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_runs_in_another_thread_where_no_signal_can_be_caught():
    happened = []

    def use():
        with Interruption() as stopped:
            happened.append(stopped.happened)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert happened == [False]
