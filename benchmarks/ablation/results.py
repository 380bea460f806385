"""Rows of an ablation in a file, one line of JSON each, written as they come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Row = dict[str, object]

# Two rows that agree in these are of the same registration.
_REGISTRATION = ("pair", "start", "settings", "model_sha256")


class Results:
    """The rows of a file; what was measured once is not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[Row] = []
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

    def has(self, row: Mapping[str, object]) -> bool:
        return any(_agree(row, old, ("study", "variant", *_REGISTRATION)) for old in self.rows)

    def same_registration(self, row: Mapping[str, object]) -> Row | None:
        """A row of the same registration, whatever study it was made for."""
        return next((old for old in self.rows if _agree(row, old, _REGISTRATION)), None)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _agree(row: Mapping[str, object], other: Mapping[str, object], keys) -> bool:
    return all(row[key] == other.get(key) for key in keys)
