"""What ran the benchmarks, and how fast it multiplies and copies: the floor under every step."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

_MATRIX, _COPIED_BYTES, _REPETITIONS = 1024, 1 << 28, 30


@dataclass(frozen=True)
class Machine:
    """Rates are the best of thirty: what the threads do when they have the cores to themselves.

    Attributes:
        matmul_gflops: float32 product of two 1024 x 1024 matrices, 10^9 operations a second.
        copy_gb_s: copying 256 MB, bytes read and written, 10^9 a second.
        gpu: its name; "" where there is none.
    """

    processor: str
    cores: int
    threads: int
    system: str
    python: str
    torch: str
    matmul_gflops: float
    copy_gb_s: float
    gpu: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def this_machine(threads: int) -> Machine:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a = torch.rand(_MATRIX, _MATRIX)
        source = torch.rand(_COPIED_BYTES // 4)
        target = torch.empty_like(source)
        gflops = 2e-9 * _MATRIX**3 / _quickest(lambda: a @ a)
        copied = 2e-9 * _COPIED_BYTES / _quickest(lambda: target.copy_(source))
    finally:
        torch.set_num_threads(before)
    return Machine(
        _processor(),
        os.cpu_count() or 1,
        threads,
        platform.platform(terse=True),
        platform.python_version(),
        torch.__version__,
        gflops,
        copied,
        torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    )


def _quickest(action: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
