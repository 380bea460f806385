"""How much memory this computer has free. Standard library only."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path


def free_main_memory_bytes() -> int:
    """Memory that a new process can have; on macOS all there is, and 0 where it cannot be told."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    if sys.platform == "win32":
        return _free_on_windows()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def gigabytes(count: float) -> str:
    """Such as "1.5 GB", of 2^30 bytes as system monitors count them."""
    return f"{count / 1024**3:.1f} GB"


def _free_on_windows() -> int:
    """MEMORYSTATUSEX of GlobalMemoryStatusEx: two 32-bit numbers, then seven of 64 bits; the second is what is free."""
    status = (ctypes.c_uint64 * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status[2])
