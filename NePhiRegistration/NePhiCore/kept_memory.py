"""What the C library does with memory that arrays give back. Set in processes of our own, never in somebody else's."""

from __future__ import annotations

import ctypes
import sys

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST_KEPT, _MOST_KEPT = 1 << 28, 1 << 30  # bytes
_LARGEST_IN_OLD_GLIBC = 1 << 25


def keep_memory() -> None:
    """Have the allocator keep what arrays give back, for the next ones: Linux with glibc, elsewhere nothing.

    It would return large arrays to the system at once, and the system fill each new page with zeros: a tenth of the
    time of a short registration. One pool for all threads, or each would keep its own. Arrays of 256 MiB and more go
    back as ever.
    """
    if not sys.platform.startswith("linux"):
        return
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:
        return
    tune(_ARENA_MAX, 1)
    tune(_TRIM_THRESHOLD, _MOST_KEPT)
    if not tune(_MMAP_THRESHOLD, _LARGEST_KEPT):
        tune(_MMAP_THRESHOLD, _LARGEST_IN_OLD_GLIBC)
