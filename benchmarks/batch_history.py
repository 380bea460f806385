"""What the logs and files of a batch prove: every case done once, whatever was killed meanwhile."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from NePhiBatch.case_record import DONE
from NePhiBatch.output_folder import records_in

_EVENT = re.compile(r"^(\S+) (\S+): (begins|registered|in place|dropped|failed)", re.MULTILINE)


class Event(NamedTuple):
    """One line of a worker's log: time (UTC, sortable), case, what happened to it."""

    when: str
    case: str
    what: str


def read_events(output: Path) -> list[Event]:
    """All lines of all workers' logs that are about cases, in the order of time."""
    return sorted(
        Event(*found)
        for log in (output / "logs").glob("*.log")
        for found in _EVENT.findall(log.read_text(encoding="utf-8"))
    )


def whole_rows(results: Path) -> list[dict[str, str]]:
    """The rows of results.csv.

    Raises:
        ValueError: half a line, a case that is there twice.
    """
    text = results.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise ValueError("results.csv ends in the middle of a line")
    rows = list(csv.DictReader(text.splitlines(), strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("results.csv has a line with too many or too few cells")
    if len({row["case"] for row in rows}) < len(rows):
        raise ValueError("results.csv lists a case twice")
    return rows


def violations(output: Path, cases: Sequence[str], most_cut_short: int) -> list[str]:
    """What is not as it must be after a batch; nothing where all is well.

    Args:
        output: folder of the results.
        cases: all of them must be done.
        most_cut_short: how many attempts kills may have cut short.
    """
    events = read_events(output)
    done = {row["case"]: row["status"] for row in whole_rows(output / "results.csv")}
    found = [f"{case} is {done.get(case, 'not in results.csv')}" for case in cases if done.get(case) != DONE]
    records = {record.case: record for record in records_in(output)}
    for case in cases:
        if case not in records or not records[case].is_whole(output / "cases" / case):
            found.append(f"the folder of {case} is not whole")
    for what in ("registered", "in place"):
        counts = Counter(event.case for event in events if event.what == what)
        found += [f"{case} was {counts[case]} times {what}" for case in cases if counts[case] != 1]
    placed = {event.case: event.when for event in events if event.what == "in place"}
    found += [f"{e.case} was begun again after it was in place" for e in events if _is_late(e, placed)]
    cut_short = sum(event.what == "begins" for event in events) - sum(event.what == "in place" for event in events)
    if not 0 <= cut_short <= most_cut_short:
        found.append(f"{cut_short} attempts were cut short, {most_cut_short} could be")
    return found


def _is_late(event: Event, placed: dict[str, str]) -> bool:
    return event.what == "begins" and event.when > placed.get(event.case, event.when)
