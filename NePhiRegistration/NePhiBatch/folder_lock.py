"""One run at a time in a folder of results. Standard library only.

The lock is the operating system's own, which lets go when a process ends, however it ends: there are no stale ones.
Beside it lies a note that says who has it. The token in that note is how workers on other machines see whether the
run that they work for still goes on.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from NePhiCore.errors import OutputError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class FolderLock:
    """Holds a folder for the time of a ``with`` block.

    Attributes:
        token: of this run, and of no other.

    Raises:
        OutputError: another run has the folder, or its disk knows no locks.
    """

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(8)
        self._lock, self._note = folder / "lock", note_path(folder)
        self._file = None

    def __enter__(self) -> FolderLock:
        try:
            self._lock.parent.mkdir(exist_ok=True)
            self._file = open(self._lock, "a+b")
        except OSError as error:
            raise OutputError(
                f"{error.filename} cannot be written ({error.strerror}). Choose another --output."
            ) from error
        try:
            _lock_at_once(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise OutputError(self._why_not(error)) from error
        _replace_text(self._note, json.dumps({"token": self.token, **_who()}))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):  # a disk that is gone must not hide the error that is on its way
            if read_token(self._lock.parent) == self.token:
                self._note.unlink()
        self._file.close()

    def _why_not(self, error: OSError) -> str:
        folder = self._lock.parent.parent
        if error.errno in _NO_LOCKS:
            return (
                f"The disk of {folder} knows no file locks, which keep two runs apart ({error.strerror}). "
                "Choose an --output on another disk."
            )
        who = _read_note(self._lock.parent)
        said = f" (process {who['process']} on {who['host']}, since {who['since']})" if {*_who()} <= {*who} else ""
        return f"Another run is working in {folder}{said}. Wait for its end, stop it, or choose another --output."


def note_path(folder: Path) -> Path:
    """The note of who has a folder."""
    return folder / "run.json"


def read_token(folder: Path) -> str | None:
    """The token of the run that has a folder; None where no run has it.

    Raises:
        OSError: the folder cannot be reached.
    """
    return _read_note(folder).get("token")


def _read_note(folder: Path) -> dict[str, object]:
    try:
        content = json.loads(note_path(folder).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _who() -> dict[str, object]:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": now}


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _lock_at_once(descriptor: int) -> None:
    """Take the lock or raise OSError; closing the file gives it back."""
    if os.name == "nt":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
