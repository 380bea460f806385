"""A log that several processes may add to: a line an event, each written whole. Standard library only."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path


class RunLog:
    """Adds lines to a file (``path``), each with its time (UTC)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, text: str) -> None:
        """Add one line.

        Raises:
            OSError: it cannot be written.
        """
        line = f"{now_utc()} {' '.join(text.split())}\n"
        # One write to a file opened for appending: lines of two processes do not mix, and none is lost by a kill.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line.encode(errors="backslashreplace"))
        finally:
            os.close(descriptor)


def now_utc() -> str:
    """The time as logs and records have it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
