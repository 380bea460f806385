"""Streams of a CUDA device: calls whose work there does not wait for each other's.

Recorded as a CUDA graph they become its branches, which a GPU follows at once. Small operations leave most of it idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch

from .side_by_side import Calls, threads_for

_of_this_thread = threading.local()


@contextmanager
def two_at_once(device: torch.device) -> Iterator[Calls]:
    """What makes two calls at once: on the CPU in a thread each, on a CUDA device on a stream each, else in turn.

    On a CUDA device what is done in this context is done on a stream of its own: work can be recorded on any but the
    default one.
    """
    if device.type != "cuda":
        with threads_for(2 if device.type == "cpu" else 1) as make_all:
            yield make_all
        return
    outside = torch.cuda.current_stream(device)
    stream, beside = _streams(device)
    stream.wait_stream(outside)
    try:
        with torch.cuda.stream(stream):
            yield partial(_make_both, beside)
    finally:
        outside.wait_stream(stream)
        with suppress(RuntimeError):  # it can fail where a recording has; there is nothing to tidy then
            torch.cuda.empty_cache()  # the recordings' memory, which nothing else can have


def _streams(device: torch.device) -> list[torch.cuda.Stream]:
    """Two of the device. A thread keeps them: memory that a stream has given back is not for another."""
    kept: dict[torch.device, list[torch.cuda.Stream]] = _of_this_thread.__dict__.setdefault("streams", {})
    if device not in kept:
        kept[device] = [torch.cuda.Stream(device), torch.cuda.Stream(device)]
    return kept[device]


def _make_both(beside: torch.cuda.Stream, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """The second call's work begins after what was asked for before both, and what follows waits for it.

    Memory of either call is used again only by later work of its own stream, which begins after what follows both.
    """
    here = torch.cuda.current_stream(beside.device)
    beside.wait_stream(here)
    try:
        made = [first()]
        with torch.cuda.stream(beside):
            made.append(second())
    except BaseException:
        with suppress(RuntimeError):  # of a recording that has failed; the first error says why
            here.wait_stream(beside)
        raise
    here.wait_stream(beside)
    return made
