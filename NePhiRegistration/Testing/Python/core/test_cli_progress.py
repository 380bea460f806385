import io
import os
import shutil

import pytest

from NePhiCore.cli_progress import ProgressBar, ProgressDisplay, ProgressLines, progress_display
from NePhiCore.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class BrokenStream(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def as_shown(text: str) -> list[str]:
    """What a terminal shows of each line: the text after the last return to its beginning, over the older one."""
    shown = ""
    for part in text.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip().splitlines()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("NePhiCore.cli_progress._SECONDS_BETWEEN_BARS", 0)


def wide(monkeypatch, columns: int) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))


@pytest.mark.parametrize(
    ("stream", "quiet", "expected"),
    [
        (Terminal(), False, ProgressBar),
        (io.StringIO(), False, ProgressLines),
        (Terminal(), True, ProgressDisplay),
        (None, False, ProgressDisplay),
    ],
)
def test_chooses_what_suits_the_stream(stream, quiet, expected):
    assert type(progress_display(stream, quiet)) is expected


def test_lines_tell_each_step_and_each_tenth():
    log = io.StringIO()
    display = ProgressLines(log)
    display(Progress("reading", 0.0))
    for percent in range(20, 50):
        display(Progress("optimisation", percent / 100, percent, -0.5))
    display(Progress("writing", 0.9))
    told = [(line.split()[1], line.split(": ")[-1]) for line in log.getvalue().splitlines()]
    assert told == [
        ("0%", "reading"),
        ("20%", "optimisation, iteration 21, loss -0.5000"),
        ("30%", "optimisation, iteration 31, loss -0.5000"),
        ("40%", "optimisation, iteration 41, loss -0.5000"),
        ("90%", "writing"),
    ]


def test_the_bar_is_one_line_that_leaves_no_trace(monkeypatch):
    wide(monkeypatch, 80)
    terminal = Terminal()
    with ProgressBar(terminal) as bar:
        bar(Progress("a step with a long name", 0.25))
        assert as_shown(terminal.getvalue())[0].startswith("[######..................]  25%")
        bar(Progress("short", 1.0))
        assert as_shown(terminal.getvalue())[0].endswith("short")
    assert "\n" not in terminal.getvalue()
    assert as_shown(terminal.getvalue()) == []


def test_the_bar_never_wraps(monkeypatch):
    wide(monkeypatch, 40)
    terminal = Terminal()
    ProgressBar(terminal)(Progress("optimisation", 0.5, 99_999, -0.123))
    assert len(terminal.getvalue()) == len("\r") + 39
    assert "50%" in terminal.getvalue()


def test_the_bar_is_not_drawn_more_often_than_eyes_need(monkeypatch):
    monkeypatch.setattr("NePhiCore.cli_progress._SECONDS_BETWEEN_BARS", 3600)
    terminal = Terminal()
    bar = ProgressBar(terminal)
    for n in range(1000):
        bar(Progress("optimisation", n / 1000, n, 0.0))
    bar(Progress("evaluation", 1.0))
    assert terminal.getvalue().count("\r") == 2


@pytest.mark.parametrize("kind", [ProgressBar, ProgressLines])
def test_a_stream_that_breaks_does_not_break_the_run(kind):
    with kind(BrokenStream()) as display:
        display(Progress("reading", 0.0))
        display(Progress("lungs", 0.5))
