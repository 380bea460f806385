"""A Python process beside Slicer: its messages are read without waiting, and it ends with all that it started.

Slicer's own Python, `sys.executable`, is a launcher that starts the real one: killing it alone would leave the work
running. So the child leads a process group of its own, and the group is killed; on Windows `taskkill` follows the
tree. The child ends by itself when its standard input closes, which happens when Slicer ends, however it ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

from NePhiCore.openmp import wait_briefly

_AT_ONCE_BYTES = 1 << 16
_LOG_CHARACTERS = 200_000
_IS_WINDOWS = os.name == "nt"
_LAUNCHER_SAYS = "exit abnormally"

# Killed, but not yet seen to have ended: that takes a moment, for which no window waits.
_ending: list[subprocess.Popen] = []


class ChildProcess:
    """One running `python ARGUMENTS`; standard output is messages, standard error a log.

    Attributes:
        log: the last that it said on standard error, and lines that were no messages.
    """

    def __init__(self, arguments: list[str], module_folder: str) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (module_folder, environment.get("PYTHONPATH"))))
        wait_briefly(environment)  # the cores are the window's too
        options: dict[str, object] = {"start_new_session": True}
        if _IS_WINDOWS:
            flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            options = {"creationflags": flags}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # `python -m` would import whatever numpy.py lies in the folder that the program was started from.
        options["cwd"] = module_folder
        self._process = subprocess.Popen([sys.executable, *arguments], env=environment, bufsize=0, **pipes, **options)
        self._unfinished = {"stdout": b"", "stderr": b""}
        self.log = ""
        for stream in (self._process.stdout, self._process.stderr):
            os.set_blocking(stream.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def messages(self) -> Iterator[dict]:
        """The messages that have come since the last call; never waits."""
        for line in self._lines("stderr"):
            self._note(line)
        for line in self._lines("stdout"):
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict):
                yield message
            else:
                self._note(line)

    def tell(self, line: str) -> None:
        """Send a line; one that has ended hears nothing, and that is no error."""
        with suppress(OSError):
            self._process.stdin.write(f"{line}\n".encode())

    def kill(self) -> None:
        """End it at once, with every process that it started."""
        if _IS_WINDOWS:
            command = ["taskkill", "/PID", str(self.pid), "/T", "/F"]
            subprocess.Popen(command, creationflags=subprocess.CREATE_NO_WINDOW)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close its pipes, once it has ended or was killed."""
        _ending.append(self._process)
        reap()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                stream.close()

    def _lines(self, name: str) -> Iterator[str]:
        stream = getattr(self._process, name)
        while True:
            piece = None if stream.closed else stream.read(_AT_ONCE_BYTES)
            if not piece:  # None: nothing has come; b"": it has ended
                return
            *lines, self._unfinished[name] = (self._unfinished[name] + piece).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")

    def _note(self, line: str) -> None:
        self.log = (self.log + line.rstrip() + "\n")[-_LOG_CHARACTERS:]


def reap() -> None:
    """See which of the processes that were closed have ended; the system keeps those that nobody looked after."""
    _ending[:] = [process for process in _ending if process.poll() is None]


def ending_in_words(exit_code: int, log: str = "") -> str:
    """Why a child ended that said nothing, in one sentence.

    Args:
        log: its last lines. Slicer's launcher of Python exits with 1 where Python has crashed or was killed, and only
            says there that it has (`ctkAppLauncher::applicationFinished` in CTK's AppLauncher).
    """
    if not _IS_WINDOWS and exit_code == -signal.SIGKILL:
        return (
            "The registration process was killed from outside, as the system does when memory runs out. Close other "
            "programs, or choose a coarser grid spacing."
        )
    if exit_code < 0 or exit_code > 255:
        how = f"signal {-exit_code}" if exit_code < 0 else f"code {exit_code:#x}"
        return f"The registration process crashed ({how}). The log says more; the scene is as it was."
    if exit_code == 1 and _LAUNCHER_SAYS in log:
        return (
            "The registration process crashed, or was killed from outside, as the system does when memory runs out. "
            "Close other programs, or choose a coarser grid spacing."
        )
    return f"The registration process ended without a result (exit code {exit_code}). The log says more."
