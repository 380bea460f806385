"""A piece of work in a forked process that may use only so much memory and time, and is watched. Unix only."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from NePhiCore.errors import NePhiError, where_raised

RESULT, REFUSED, FAULT = "result", "refused", "fault"
_LONGEST_MESSAGE = 2000
_PATIENCE = 10  # wall time in units of computing time, for the machine is shared
# What no reader has any business with.
_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "socket.getaddrinfo")
# ... but for this one program of its own, which reads what could crash a process.
_OWN_PROGRAM = [sys.executable, "-m", "NePhiCore.transform_copy"]
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Outcome:
    """How the work ended.

    Attributes:
        verdict: RESULT; REFUSED where it raised a NePhiError in readable words; FAULT for everything else.
        words: of the result, the error, or what was wrong.
        seconds: of computing.
        memory_bytes: largest memory beyond what the process had when the work began.
    """

    verdict: str
    words: str
    seconds: float
    memory_bytes: int


def confined(work: Callable[[], object], folder: Path, memory_bytes: int = 2 << 30, seconds: int = 20) -> Outcome:
    """Do work that may touch files of one folder only; the process that calls this should have one thread.

    Args:
        work: returns what can be told of its result.
        folder: working directory, and the only place where files may be written.
        memory_bytes: address space beyond what the process has already.
        seconds: of computing after which it is ended; one that only waits is, after some times that.
    """
    reading, writing = os.pipe()
    start, before = time.monotonic(), resident_bytes()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_exit(work, folder, memory_bytes, seconds, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        status, usage = _wait(child, start + _PATIENCE * seconds)
        told = said.read()
    took, more = usage.ru_utime + usage.ru_stime, max(0, usage.ru_maxrss * 1024 - before)
    if status is None:
        return Outcome(FAULT, "waits without end", took, more)
    if os.WIFSIGNALED(status):
        return Outcome(FAULT, f"ended by {signal.Signals(os.WTERMSIG(status)).name}", took, more)
    verdict, words = json.loads(told) if told else (FAULT, f"exit code {os.waitstatus_to_exitcode(status)}")
    return Outcome(verdict, words, took, more)


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def _wait(child: int, until: float) -> tuple[int | None, resource.struct_rusage]:
    """Status, None where it had to be killed, and what a child used."""
    was_killed = False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return None if was_killed else status, usage
        if time.monotonic() > until and not was_killed:
            was_killed = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _work_and_exit(work: Callable[[], object], folder: Path, memory_bytes: int, seconds: int, writing: int) -> None:
    code = 1
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        limit_address_space(memory_bytes)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        strayed = _watch(folder)
        verdict, words = _done(work)
        if strayed:
            verdict, words = FAULT, f"did what it must not: {strayed[0]}"
        os.write(writing, json.dumps((verdict, words)).encode()[:60_000])
        code = 0
    finally:
        os._exit(code)


def limit_address_space(more_bytes: int) -> None:
    """Let this process have only so much more."""
    have = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (have + more_bytes, resource.RLIM_INFINITY))


def _done(work: Callable[[], object]) -> tuple[str, str]:
    try:
        return RESULT, str(work())[:200]
    except NePhiError as error:
        words = str(error)
        if len(words) > _LONGEST_MESSAGE:
            return FAULT, f"a message of {len(words)} characters: {words[:200]}"
        return REFUSED, f"{type(error).__name__}: {words}"
    except Exception as error:
        return FAULT, f"{type(error).__name__}: {str(error)[:200]} ({where_raised(error)})"


def _watch(folder: Path) -> list[str]:
    """Note, from now on and for ever, what goes beyond reading files and writing into the folder."""
    strayed: list[str] = []
    inside = os.path.realpath(folder) + os.sep

    def hook(event: str, arguments: tuple) -> None:
        if event == "subprocess.Popen" and arguments[1][:3] == _OWN_PROGRAM:
            return
        if event in _FORBIDDEN:
            strayed.append(event)
        elif event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & _WRITES:
            path = os.fsdecode(arguments[0])
            if path != os.devnull and not os.path.realpath(path).startswith(inside):
                strayed.append(f"writing {path}")

    sys.addaudithook(hook)
    return strayed
