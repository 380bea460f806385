"""Which device computes, and what to say when its memory runs out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from .errors import DeviceError, DeviceMemoryError

CPU = torch.device("cpu")

# How torch's back ends say it; "memory" alone also stands in errors of another kind ("illegal memory access").
_MEMORY_MESSAGES = ("out of memory", "not enough memory", "allocate memory", "alloc_failed", "invalid buffer size")


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        DeviceError: the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there.get(name, False):
        found = ", ".join(device for device, yes in there.items() if yes)
        raise DeviceError(f"The device {name!r} is not available here; available: {found}. Use --device auto.")
    return torch.device(name)


def gpu_names(device: torch.device) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs of this process, "" for one of another kind; none on the CPU."""
    if device.type != "cuda":
        return [] if device.type == "cpu" else [""]
    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in listed.split(",")][:count] if listed else [str(n) for n in range(count)]


@contextmanager
def memory_errors_in_words(device: torch.device = CPU) -> Iterator[None]:
    """Turn an out-of-memory error, of the GPU or the CPU, into a DeviceMemoryError that says what to lower.

    Args:
        device: what computes; the CPU is offered only where another device ran out of memory.
    """
    try:
        yield
    except MemoryError as error:
        raise _memory_error(CPU) from error
    except RuntimeError as error:
        message = str(error).lower()
        if not isinstance(error, torch.OutOfMemoryError) and not any(part in message for part in _MEMORY_MESSAGES):
            raise
        raise _memory_error(CPU if "cpuallocator" in message else device) from error


def _memory_error(device: torch.device) -> DeviceMemoryError:
    last_resort = "close other programs" if device.type == "cpu" else "compute on the CPU (--device cpu)"
    return DeviceMemoryError(
        "Out of memory. Lower the similarity sampling ratio (--similarity-sampling-ratio), or write a coarser field "
        f"(--grid-spacing 5), or {last_resort}."
    )


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory so far: of the process on the CPU, of the tensors on a CUDA device."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _peak_process_bytes()


def forget_peak_memory(device: torch.device) -> None:
    """Begin a new count of the peak; on the CPU only Linux lets a process do so, elsewhere the old peak remains."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_process_bytes() -> int:
    try:
        import resource
    except ImportError:  # Windows has no such count; zero says "not known"
        return 0
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit
