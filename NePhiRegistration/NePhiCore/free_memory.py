"""How much memory this computer has free. Standard library only."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def free_main_memory_bytes() -> int:
    """Memory that a new process can have; on macOS all there is, and 0 where it cannot be told.

    Under Linux no more than the control group leaves, of a container or of a job on a cluster.
    """
    meminfo = _PROC / "meminfo"
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return min([int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024, *_left_by_groups()])
    if sys.platform == "win32":
        return _free_on_windows()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def _left_by_groups() -> Iterator[int]:
    """What each control group that this process is in leaves of its limit; files may be kept in memory for the last.

    Linux, Documentation/admin-guide: cgroup-v2.rst, cgroup-v1/memory.rst.
    """
    try:
        lines = (_PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers == "":
            root, names = _GROUPS, ("memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            root, names = _GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        else:
            continue
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # none that is seen from here, or "max"
                limit, used = (int((group / name).read_text()) for name in names[:2])
                stat = (group / "memory.stat").read_text().splitlines()
                cached = sum(int(line.split()[1]) for line in stat if line.startswith(names[2]))
                yield max(limit - used + cached, 1)
            if group == root:
                break


def gigabytes(count: float) -> str:
    """Such as "1.5 GB", of 2^30 bytes as system monitors count them."""
    return f"{count / 1024**3:.1f} GB"


def _free_on_windows() -> int:
    """MEMORYSTATUSEX of GlobalMemoryStatusEx: two 32-bit numbers, then seven of 64 bits; the second is what is free."""
    status = (ctypes.c_uint64 * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    windows: Any = ctypes  # whose types have windll on Windows alone
    windows.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status[2])
