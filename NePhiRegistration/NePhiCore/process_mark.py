"""Whose a file is: a mark of the process that made it, and whether that process has ended. Standard library only."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

_MARK = re.compile(r"([0-9a-f]{8})-(\d{1,9})")


def process_mark() -> str:
    """Of this process: where process numbers count, and its number."""
    return f"{_where()}-{os.getpid()}"


def is_of_dead_process(mark: str) -> bool:
    """The process is known to have ended; False for one of another machine or container, or where nobody can tell."""
    found = _MARK.fullmatch(mark)
    if found is None or found[1] != _where() or os.name == "nt":  # Windows: to ask for a process is to interrupt it
        return False
    try:
        os.kill(int(found[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False


@cache
def _where() -> str:
    """One machine since it was started, and on Linux one of its spaces of process numbers, in 8 letters."""
    words = [platform.node()]
    with suppress(OSError):  # Linux alone has them
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8"))
        words.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
