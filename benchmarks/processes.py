"""One command in a process of its own, timed from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .measurements import Run

_LAST_WORDS = 500
_ROOT = Path(__file__).resolve().parents[1]  # where `python -m` finds the packages


def run_process(command: Sequence[str], threads: int, report: Path | None = None, limit_s: float = 7200.0) -> Run:
    """Run a command to its end.

    Args:
        threads: how many torch, ITK and OpenMP may use.
        report: JSON that the command writes, with "seconds_by_step".
        limit_s: when it is ended.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=_ROOT, stdout=said, stderr=subprocess.STDOUT, env=environment(threads))
        usage, timed_out = _wait(process, limit_s)
        seconds = time.perf_counter() - start
        said.seek(0)
        words = said.read().decode(errors="replace")[-_LAST_WORDS:].strip()
    failed = None
    if timed_out or process.returncode != 0:
        failed = f"ended after {limit_s:.0f} s" if timed_out else f"exit {process.returncode}: {words}"
    steps = {}
    if report is not None and report.exists():
        steps = json.loads(report.read_text(encoding="utf-8")).get("seconds_by_step", {})
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, steps, failed)


def environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def _wait(process: subprocess.Popen, limit_s: float):
    """The process's own use of time and memory, which only the call that waits for it is told."""
    end, timed_out = time.monotonic() + limit_s, False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage, timed_out
        if time.monotonic() > end and not timed_out:
            timed_out = True
            process.kill()
        time.sleep(0.01)
