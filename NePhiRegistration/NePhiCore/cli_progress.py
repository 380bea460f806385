"""How far it is: a bar on a terminal, plain lines in a log. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TextIO

from .progress import Progress

_BAR_CELLS = 24
_SECONDS_BETWEEN_BARS = 0.1


def progress_display(stream: TextIO | None, quiet: bool) -> ProgressDisplay:
    """What suits the stream: a bar, lines, or nothing."""
    if quiet or stream is None:
        return ProgressDisplay(None)
    return ProgressBar(stream) if stream.isatty() else ProgressLines(stream)


def write_out(stream: TextIO, text: str) -> bool:
    """Write and flush; False where the stream takes no more (``| head``, a full disk, a closed terminal).

    Such a stream is pointed at nothing: Python would try to flush it once more on its way out, and end with 120.
    """
    try:
        stream.write(text)
        stream.flush()
    except ValueError:  # it is closed
        return False
    except OSError:
        with contextlib.suppress(AttributeError, OSError):  # inside 3D Slicer it is no file
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)
        return False
    return True


class ProgressDisplay:
    """Shows nothing; call it with each Progress, and ``close`` it before anything else is printed.

    A stream that breaks (a closed terminal, ``| head``) ends the display, never the run.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._start = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, message: Progress) -> None:
        """Show one message."""

    def close(self) -> None:
        """Leave the stream at the beginning of a line."""

    def _write(self, text: str) -> None:
        if self._stream is not None and not write_out(self._stream, text):
            self._stream = None

    def _seconds(self) -> float:
        return time.monotonic() - self._start


class ProgressLines(ProgressDisplay):
    """A line where a step begins and after each tenth of the run."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._told = "", 0

    def __call__(self, message: Progress) -> None:
        step_and_tenth = message.step, int(10 * message.share + 1e-9)
        if step_and_tenth == self._told:
            return
        self._told = step_and_tenth
        self._write(f"nephi: {message.share:4.0%} after {self._seconds():.0f} s: {_in_words(message)}\n")


class ProgressBar(ProgressDisplay):
    """One line, written over and over."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._shown, self._shown_at, self._length = "", float("-inf"), 0

    def __call__(self, message: Progress) -> None:
        now = time.monotonic()
        if message.step == self._shown and now - self._shown_at < _SECONDS_BETWEEN_BARS:
            return
        self._shown, self._shown_at = message.step, now
        done = round(message.share * _BAR_CELLS)
        bar = "#" * done + "." * (_BAR_CELLS - done)
        line = f"[{bar}] {message.share:4.0%} {self._seconds():4.0f} s  {_in_words(message)}"
        line = line[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + line.ljust(self._length))
        self._length = len(line)

    def close(self) -> None:
        if self._length:
            self._write("\r" + " " * self._length + "\r")
            self._length = 0


def _in_words(message: Progress) -> str:
    words = message.step
    if message.iteration is not None:
        words += f", iteration {message.iteration + 1}"
    if message.loss is not None:
        words += f", loss {message.loss:.4f}"
    return words
