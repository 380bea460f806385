"""Which device computes, and what to do and to say when its memory runs out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch.nn import functional as F

from .errors import DeviceError, DeviceMemoryError

CPU = torch.device("cpu")
_Made = TypeVar("_Made")

# How torch's back ends say it; "memory" alone also stands in errors of another kind ("illegal memory access").
_MEMORY_MESSAGES = ("out of memory", "not enough memory", "allocate memory", "alloc_failed", "invalid buffer size")
_MOST_HALVINGS = 8


@cache
def working_device(name: str) -> torch.device:
    """`choose_device`, once it has computed something; where it cannot, "auto" takes the CPU and warns.

    A GPU may be there that is too old for this build of torch, that is kept by another program, or for which this build
    lacks an operation.

    Raises:
        DeviceError: the device is not there, or cannot compute.
    """
    device = choose_device(name)
    fault = _fault_of(device)
    if not fault:
        return device
    if name != "auto":
        raise DeviceError(f"The device {name!r} is there but cannot compute: {fault}. Use --device cpu.")
    warnings.warn(f"The device {device.type!r} cannot compute ({fault}): computing on the CPU.", stacklevel=2)
    return CPU


def _fault_of(device: torch.device) -> str:
    """The first line of what it says instead of adding one and one; "" where it can."""
    try:
        torch.ones(1, device=device).add(1).item()
        if device.type != "cpu":
            _ask_for_what_is_rare(device)
    except RuntimeError as error:
        return str(error).split("\n", 1)[0].rstrip(".")
    return ""


def _ask_for_what_is_rare(device: torch.device) -> None:
    """On next to nothing, the operations of a registration that a back end may lack: on Apple's GPUs images
    could not be read in 3D before pytorch's pull request 160541.

    Raises:
        RuntimeError: one is not there.
    """
    image = torch.zeros(1, 1, 2, 2, 2, device=device)
    place = torch.zeros(1, 1, 1, 1, 3, device=device, requires_grad=True)
    F.grid_sample(image, place, padding_mode="border", align_corners=True).sum().backward()
    F.max_pool3d(image, 2)
    F.avg_pool3d(image, 2)
    image.byte().cummax(-1)
    vectors = image.view(4, 2).repeat(1, 3)[:, :3]
    torch.linalg.cross(vectors, vectors)
    which = torch.zeros(1, 4, dtype=torch.long, device=device)
    F.embedding_bag(which, vectors, mode="sum", per_sample_weights=which.float())
    vectors.index_add(0, which[0], vectors)


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" takes CUDA, else Apple's GPU, else the CPU. Does not touch it.

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


def in_parts_that_fit(work: Callable[[int], _Made], at_once: int, device: torch.device) -> _Made:
    """``work(at_once)``; where memory runs out, the same with half as much at once, and again.

    Args:
        work: computes in parts of the size that it is given; its result does not depend on that.

    Raises:
        Whatever work raises; that memory ran out, once parts of a 256th are too large as well.
    """
    for _ in range(_MOST_HALVINGS):
        try:
            return work(at_once)
        except (MemoryError, RuntimeError) as error:
            if not _is_of_memory(error) or at_once <= 1:
                raise
        # Only here is the error gone, and with it the frames that held what did not fit.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        at_once //= 2
    return work(at_once)


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
        if not _is_of_memory(error):
            raise
        raise _memory_error(CPU if "cpuallocator" in str(error).lower() else device) from error


def _is_of_memory(error: Exception) -> bool:
    message = str(error).lower()
    kinds = MemoryError, torch.OutOfMemoryError
    return isinstance(error, kinds) or any(part in message for part in _MEMORY_MESSAGES)


def _memory_error(device: torch.device) -> DeviceMemoryError:
    """On a GPU little depends on the settings: programs beside this one are what fills it."""
    first = "Close other programs" if device.type == "cpu" else "Compute on the CPU (--device cpu)"
    return DeviceMemoryError(
        f"Out of memory. {first}, or lower the similarity sampling ratio (--similarity-sampling-ratio), or write a "
        "coarser field (--grid-spacing 5)."
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
