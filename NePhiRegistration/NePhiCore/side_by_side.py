"""The same for two images at once, each on its share of the cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_Made = TypeVar("_Made")


def side_by_side(make: Callable[..., _Made], *given: tuple[object, ...]) -> list[_Made]:
    """``[make(*arguments) for arguments in given]``, at once where torch may use several threads.

    Operations on images of this size gain little from a second thread; two images that do not wait for each other
    gain nearly all of it. Where torch has one thread they are made one after the other.

    Raises:
        The error of the first that failed, when all have ended.
    """
    threads, with_gradients = torch.get_num_threads(), torch.is_grad_enabled()
    if threads == 1:
        return [make(*arguments) for arguments in given]

    def make_one(arguments: tuple[object, ...]) -> _Made:
        torch.set_num_threads(max(1, threads // len(given)))  # of the thread that this runs in
        with torch.set_grad_enabled(with_gradients):
            return make(*arguments)

    try:
        with ThreadPoolExecutor(len(given)) as pool:
            return list(pool.map(make_one, given))
    finally:
        torch.set_num_threads(threads)  # which the others have changed for what is begun after them
