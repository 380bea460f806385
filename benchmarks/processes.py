"""One command in a process of its own, timed from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .measurements import Run

_LAST_WORDS = 500
_ROOT = Path(__file__).resolve().parents[1]  # where `python -m` finds the packages
# Linux counts to a process's largest memory that of the one which started it. So a small one starts it, and tells.
_STARTER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
told = time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""


def run_process(command: Sequence[str], threads: int, report: Path | None = None, limit_s: float = 7200.0) -> Run:
    """Run a command to its end.

    Args:
        threads: how many torch, ITK and OpenMP may use.
        report: JSON that the command writes, with "seconds_by_step".
        limit_s: when it is ended.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory() as folder:
        usage = Path(folder, "usage.json")
        starting = [sys.executable, "-I", "-c", _STARTER, str(usage), *command]
        output = {"stdout": said, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(starting, cwd=_ROOT, env=environment(threads), start_new_session=True, **output)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return Run(limit_s, 0.0, 0, failed=f"ended after {limit_s:.0f} s")
        finally:
            if process.poll() is None:  # the one that it started with it
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds, cpu_seconds, largest = (
            json.loads(usage.read_text(encoding="utf-8")) if usage.exists() else (0.0, 0.0, 0)
        )
        said.seek(0)
        words = said.read().decode(errors="replace")[-_LAST_WORDS:].strip()
    failed = f"exit {process.returncode}: {words}" if process.returncode != 0 else None
    steps = {}
    if report is not None and report.exists():
        steps = json.loads(report.read_text(encoding="utf-8")).get("seconds_by_step", {})
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, cpu_seconds, largest * unit, steps, failed)


def environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}
