"""How a process of our own is set up. Never called in somebody else's: Slicer's, or a user's Python."""

from __future__ import annotations

import gc
import sys

from .kept_memory import keep_memory

_NEW_OBJECTS = 10_000  # torch's import alone leaves 160 000
_TURN_SECONDS = 1e-4


def set_up_own_process() -> None:
    """Keep freed memory; look for garbage less often; let threads take turns at once.

    Two searches, or two directions of an optimisation, are threads of many short calls. Python hands itself from one
    to the other after 5 ms by default, in which the other waits.
    """
    keep_memory()
    gc.set_threshold(_NEW_OBJECTS)
    sys.setswitchinterval(_TURN_SECONDS)
