"""Every session's measurements as one line of JSON, so that later ones can be compared with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from .machine import Machine
from .measurements import Measurement


def add_session(path: Path, machine: Machine, measurements: Sequence[Measurement], version: str) -> dict[str, object]:
    """Append a session to the file, and return it."""
    session = {
        "when": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": version,
        "machine": machine.as_dict(),
        "measurements": [m.as_dict() for m in measurements],
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(session) + "\n")
    return session


def read_sessions(path: Path) -> list[dict[str, object]]:
    """All sessions, oldest first; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def slower_than_before(sessions: Sequence[dict], tolerance: float = 0.2) -> list[str]:
    """What the last session took more CPU time for than the one before it on the same processor and threads."""
    if not sessions:
        return []
    last = sessions[-1]
    alike = [s for s in sessions[:-1] if _place(s) == _place(last)]
    before = {_thing(m): m for m in alike[-1]["measurements"]} if alike else {}
    found = []
    for now in last["measurements"]:
        then = before.get(_thing(now))
        if then and now["cpu_seconds"] > (1 + tolerance) * then["cpu_seconds"]:
            found.append(f"{now['name']}, {now['pair']}: {then['cpu_seconds']:.1f} -> {now['cpu_seconds']:.1f} s")
    return found


def _place(session: dict) -> tuple:
    return session["machine"]["processor"], session["machine"]["threads"]


def _thing(measurement: dict) -> tuple:
    return measurement["name"], measurement["pair"], json.dumps(measurement["settings"], sort_keys=True)
