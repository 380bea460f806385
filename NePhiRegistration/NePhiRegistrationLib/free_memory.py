"""How much memory is free, without torch: of the computer, and of an NVIDIA GPU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

_GPU_QUERY = ["nvidia-smi", "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
_MIB = 1024**2


def free_main_memory_bytes() -> int:
    """Memory that a new process can have; on macOS all there is, and 0 where it cannot be told."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    if sys.platform == "win32":
        return _free_on_windows()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def _free_on_windows() -> int:
    """MEMORYSTATUSEX of GlobalMemoryStatusEx: two 32-bit numbers, then seven of 64 bits; the second is what is free."""
    status = (ctypes.c_uint64 * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status[2])


class GpuQuery:
    """Asks the driver for its GPU without waiting for the answer.

    Attributes:
        answer: name and memory in words once it is there, "" where there is no GPU.
    """

    def __init__(self) -> None:
        self.answer: str | None = None
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        try:
            # On Windows a console program would open a window.
            flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
            self._process = subprocess.Popen(_GPU_QUERY, text=True, creationflags=flags, **quiet)
        except OSError:
            self._process, self.answer = None, ""

    def is_answered(self) -> bool:
        if self.answer is None and self._process.poll() is not None:
            self.answer = gpu_in_words(self._process.stdout.read())
            self._process.stdout.close()
        return self.answer is not None


def gpu_in_words(table: str) -> str:
    """The first GPU of nvidia-smi's table; "" where there is none.

    Args:
        table: lines of name, free MiB, total MiB, with commas between.
    """
    fields = [field.strip() for field in table.split("\n", 1)[0].split(",")]
    if len(fields) != 3 or not (fields[1].isdigit() and fields[2].isdigit()):
        return ""
    return f"{fields[0]}: {gigabytes(int(fields[1]) * _MIB)} of {gigabytes(int(fields[2]) * _MIB)} free"


def gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"
