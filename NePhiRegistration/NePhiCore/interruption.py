"""Ctrl-C as a question that the work asks itself, not as an exception out of nowhere. Standard library only."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol

# Ctrl-C, kill, and a terminal that is closed, which Windows does not have.
_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
_HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
# One Ctrl-C may arrive twice, directly and through the process group (make, timeout).
_SAME_S = 0.5


class StopSign(Protocol):
    """Whatever knows, when it is looked at, whether to stop."""

    @property
    def happened(self) -> bool: ...


class Interruption:
    """While its ``with`` block runs, the first signal to stop is noted and the second raises KeyboardInterrupt.

    A closed terminal stops it too, unless the process was started to ignore that (``nohup``). Outside the main
    thread, where Python forbids it, no signal is caught.
    """

    def __init__(self) -> None:
        self.happened = False
        self._first_s = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            numbers = _SIGNALS
            if _HANG_UP is not None and signal.getsignal(_HANG_UP) is not signal.SIG_IGN:
                numbers = (*_SIGNALS, _HANG_UP)
            self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.happened and now - self._first_s > _SAME_S:
            raise KeyboardInterrupt
        if not self.happened:
            self.happened, self._first_s = True, now
            with suppress(OSError):  # sys.stderr may be in the middle of a write; the file itself never is
                os.write(2, b"\nnephi: stopping; once more to quit at once\n")
