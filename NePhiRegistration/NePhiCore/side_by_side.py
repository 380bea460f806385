"""Calls that do not wait for each other, at once, each on its share of the cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import torch

_Made = TypeVar("_Made")
Calls = Callable[..., list[Any]]


@contextmanager
def threads_for(most: int) -> Iterator[Calls]:
    """Threads that stay, and a function that makes calls in them and returns what those return, in order.

    Operations on images of this size gain little from a second thread; two images that do not wait for each other
    gain nearly all of it. The caller's thread takes part, and makes the first call: only that one may tell progress.
    Where torch has one thread the calls are made one after the other.

    Args:
        most: calls at once.

    Raises:
        The error of the first call that failed, when all have ended.
    """
    threads = torch.get_num_threads()
    workers = min(most, threads)
    if workers <= 1:
        yield lambda *calls: [call() for call in calls]
        return
    share = threads // workers
    try:
        torch.set_num_threads(share)  # of the thread that says it: here, and in each of the others
        with ThreadPoolExecutor(workers - 1, "nephi", torch.set_num_threads, (share,)) as pool:
            yield partial(_make_all, pool, workers - 1)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_thread_beside(device: torch.device) -> Iterator[None]:
    """Where another device computes: two threads that ask it for small things mostly wait for each other."""
    threads = torch.get_num_threads()
    if device.type != "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _make_all(pool: ThreadPoolExecutor, helpers: int, *calls: Callable[[], _Made]) -> list[_Made]:
    made: dict[int, _Made] = {}
    failed: dict[int, BaseException] = {}
    waiting, with_gradients = deque(enumerate(calls)), torch.is_grad_enabled()

    def make(number: int, call: Callable[[], _Made]) -> None:
        try:
            made[number] = call()
        except BaseException as error:  # raised below, in the caller's thread
            failed[number] = error

    def make_the_rest() -> None:
        with torch.set_grad_enabled(with_gradients):
            while waiting:
                try:
                    next_one = waiting.popleft()
                except IndexError:  # another thread has taken the last
                    return
                make(*next_one)

    first = waiting.popleft()
    others: list[Future[None]] = []
    with suppress(RuntimeError):  # no more threads are to be had: those that there are do it, this one among them
        for _ in range(min(helpers, len(waiting))):
            others.append(pool.submit(make_the_rest))
    make(*first)
    make_the_rest()
    wait(others)
    try:
        if failed:
            raise failed[min(failed)]
    finally:
        failed.clear()  # an error and the frame that it is raised in would keep each other, and all that was made
    return [made[number] for number in range(len(calls))]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """``[call() for call in calls]``, as many at once as there are cores, begun in the order given.

    Raises:
        The error of the first that failed, when all have ended.
    """
    with threads_for(len(calls)) as make_all:
        return make_all(*calls)


def side_by_side(make: Callable[..., _Made], *given: tuple[object, ...]) -> list[_Made]:
    """``[make(*arguments) for arguments in given]``, at once."""
    return at_once(*(partial(make, *arguments) for arguments in given))
