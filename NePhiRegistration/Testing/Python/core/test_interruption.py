import signal
import threading

import pytest

from NePhiCore import interruption
from NePhiCore.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_only_noted(number, capfd):
    with Interruption() as stopped:
        assert not stopped.happened
        signal.raise_signal(number)
        assert stopped.happened
    assert "once more to quit at once" in capfd.readouterr().err


def test_the_second_signal_quits(monkeypatch):
    monkeypatch.setattr(interruption, "_SAME_S", -1)
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


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
