"""Work in small steps, between which the window has its turn.

A function that works so is a generator: it yields nothing after each few milliseconds and returns its result. Within
another one it is `result = yield from function(...)`; who has no window to think of calls `run_through`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]


def run_through(steps: Steps[Result]) -> Result:
    """Do all steps at once; returns their result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
