"""Which NVIDIA GPU there is and how much of its memory is free, without torch."""

from __future__ import annotations

import subprocess

from NePhiCore.free_memory import gigabytes

_GPU_QUERY = ["nvidia-smi", "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
_MIB = 1024**2


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
