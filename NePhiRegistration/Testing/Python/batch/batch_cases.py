"""A tiny cohort as files, the batch run on it in this process or in its own, and what it leaves behind."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from core.command_cases import own_environment, write_pair

from NePhiBatch.case_run import run_case
from NePhiCore.image_io import read_volume, write_volume

QUICK_PROGRAM = Path(__file__).with_name("quick_batch.py")
_EVENT = re.compile(r"^\S+ (?P<case>\S+): (?P<what>begins|registered|in place|failed|dropped)", re.MULTILINE)


def write_cohort(folder: Path, names: Iterable[str]) -> Path:
    """Write a pair a name, each with noise of its own, and their manifest; returns the manifest.

    Every pair is one of `write_pair`, in a folder of its name; small.pt lies beside the manifest.
    """
    rows = ["case,fixed,moving,fixed_mask,moving_mask"]
    for number, name in enumerate(names):
        pair = folder / name
        pair.mkdir(parents=True)
        write_pair(pair)
        fixed = read_volume(pair / "fixed.nii.gz")
        noise = np.random.default_rng(number).normal(0, 20, fixed.hu.shape)
        write_volume(pair / "fixed.nii.gz", (fixed.hu + noise).astype(np.int16), fixed.geometry)
        rows.append(
            f"{name},{name}/fixed.nii.gz,{name}/moving.nii.gz,{name}/fixed_mask.nii.gz,{name}/moving_mask.nii.gz"
        )
        (pair / "small.pt").replace(folder / "small.pt")
    manifest = folder / "cohort.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest


def batch_arguments(manifest: Path, output: Path, *more: object, command: Sequence[str] = ("batch",)) -> list[str]:
    """Arguments of a batch whose cases take a fraction of a second, without the search for matches."""
    method = ["--preset", "fast", "--grid-spacing", "8", "--device", "cpu"]
    where = ["--output", str(output)] if command else [str(output)]
    return [*command, str(manifest), *where, "--model", str(manifest.parent / "small.pt"), *method, *map(str, more)]


class InlineWorkers:
    """In this process: files looked at as they are asked for, cases registered as they are submitted."""

    def __init__(self, run: Callable = run_case) -> None:
        self.submitted: list[str] = []
        self._run = run

    def __enter__(self) -> InlineWorkers:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def capacity(self) -> int:
        return 1

    def submit(self, job) -> Future:
        self.submitted.append(job.case.name)
        return self.ask(self._run, job)

    def ask(self, work: Callable, *arguments: object) -> Future:
        future = Future()
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    def has_died(self, error: BaseException) -> bool:
        return isinstance(error, WorkerDied)


class WorkerDied(Exception):
    """What an inline worker raises in the place of dying."""


def rows_of(output: Path) -> dict[str, dict[str, str]]:
    """The rows of results.csv by case; every line must be whole."""
    text = (output / "results.csv").read_text(encoding="utf-8")
    assert text.endswith("\n")
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        assert None not in row and None not in row.values(), row["case"]
    assert len({row["case"] for row in rows}) == len(rows)
    return {row["case"]: row for row in rows}


def statuses(output: Path) -> dict[str, str]:
    return {case: row["status"] for case, row in rows_of(output).items()}


def events(output: Path) -> list[tuple[str, str]]:
    """(case, what happened) of every worker's log, each log in its order."""
    logs = sorted((output / "logs").glob("*.log"))
    return [(e["case"], e["what"]) for log in logs for e in _EVENT.finditer(log.read_text(encoding="utf-8"))]


def times_put_in_place(output: Path) -> dict[str, int]:
    """How often each case was put in its place, by the logs."""
    counts: dict[str, int] = {}
    for case, what in events(output):
        counts[case] = counts.get(case, 0) + (what == "in place")
    return counts


def record_of(output: Path, case: str) -> dict:
    return json.loads((output / "cases" / case / "case.json").read_text(encoding="utf-8"))


@contextmanager
def started(arguments: Sequence[str], **more: str) -> Iterator[subprocess.Popen]:
    """The batch in a process of its own, at the head of a process group; nothing of it outlives the block."""
    environment = own_environment() | {"OMP_WAIT_POLICY": "PASSIVE", **more}
    command = [sys.executable, str(QUICK_PROGRAM), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    try:
        yield process
    finally:
        with_group_killed(process)


def with_group_killed(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.communicate()


def wait_for(what: Callable[[], object], process: subprocess.Popen | None = None, seconds: float = 200) -> object:
    """Wait until something is true; fails where the process ends before."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def worker_pids(output: Path) -> list[int]:
    """The processes that wrote logs, in the order in which they began."""
    logs = sorted((output / "logs").glob("*.log"), key=lambda path: path.read_text(encoding="utf-8")[:24])
    return [int(path.stem.rpartition("-")[2]) for path in logs]


def is_running(pid: int) -> bool:
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
