"""What the C library does with memory that arrays give back: Linux with glibc, elsewhere nothing."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST_KEPT, _MOST_KEPT = 1 << 28, 1 << 30  # bytes
_LARGEST_IN_OLD_GLIBC = 1 << 25


def keep_memory() -> None:
    """Have the allocator keep what arrays give back, for the next ones; in processes of our own, never another's.

    It would return large arrays to the system at once, and the system fill each new page with zeros: a tenth of the
    time of a short registration. One pool for all threads, or each would keep its own. Arrays of 256 MiB and more go
    back as ever.
    """
    tune = _of_glibc("mallopt")
    if tune is None:
        return
    tune(_ARENA_MAX, 1)
    tune(_TRIM_THRESHOLD, _MOST_KEPT)
    if not tune(_MMAP_THRESHOLD, _LARGEST_KEPT):
        tune(_MMAP_THRESHOLD, _LARGEST_IN_OLD_GLIBC)


def give_back_memory() -> None:
    """Return to the system what the allocator keeps and nothing uses; changes nothing else, in any process."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
