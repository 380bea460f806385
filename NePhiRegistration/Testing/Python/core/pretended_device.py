"""A device that is pretended: its tensors lie on the CPU, but refuse what a GPU refuses, and count what costs it.

Tensors of the device and of the CPU cannot be mixed, nor read without being brought over. Counted are the operations
asked for, those that make the asking wait until the device is done, and the memory of all tensors that are alive. What
is not pretended: speed, rounding, and what an operation takes for itself while it runs.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretended")
DEVICE = torch.device("pretended", 0)

# Views, and memory that nobody has filled yet.
_FREE = {
    "view",
    "_unsafe_view",
    "t",
    "transpose",
    "slice",
    "select",
    "expand",
    "unsqueeze",
    "squeeze",
    "permute",
    "as_strided",
    "detach",
    "alias",
    "unfold",
    "split",
    "split_with_sizes",
    "unbind",
    "diagonal",
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
}
_WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal"}


@dataclass
class Counts:
    """What the device was asked for.

    Attributes:
        operations: how many were asked for.
        waits: the names of those that waited for it.
        sent_bytes: brought over from the CPU.
        bytes: memory of the tensors that are alive; those that share memory count once.
        most_bytes: the most of it so far.
        limit_bytes: memory that there is; what would take more fails as on a GPU.
    """

    operations: int = 0
    waits: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    bytes: int = 0
    most_bytes: int = 0
    limit_bytes: float = math.inf
    _sharing: Counter[int] = field(default_factory=Counter)

    def follow(self, tensor: torch.Tensor, held: torch.Tensor) -> None:
        """Count the memory of a tensor for as long as it or another that shares it is alive."""
        storage = held.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        self._sharing[address] += 1
        weakref.finalize(tensor, self._leave, address, size).atexit = False
        if self._sharing[address] == 1:
            self.bytes += size
            if self.bytes > self.limit_bytes:
                raise torch.OutOfMemoryError(f"The pretended device is out of memory. Tried to allocate {size} bytes.")
            self.most_bytes = max(self.most_bytes, self.bytes)

    def _leave(self, address: int, size: int) -> None:
        self._sharing[address] -= 1
        if self._sharing[address] == 0:
            self.bytes -= size


_counts = Counts()


class _OnDevice(torch.Tensor):
    """A tensor that says it lies on the device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> _OnDevice:
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(cls, held.size(), dtype=held.dtype, device=DEVICE, **layout)
        made.held = held
        _counts.follow(made, held)
        return made

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _WhateverNamesIt(TorchDispatchMode):
    """Operations that make tensors on the device from nothing, or bring some of the CPU's over."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Generator(torch.Generator):
    """Random numbers of the CPU for a device that says it is another."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls, device="cpu")
        made.said = torch.device(device)
        return made

    def __init__(self, device="cpu"):
        pass

    @property
    def device(self):
        return self.said


def _run(operation, args, kwargs):
    name = operation._schema.name.split("::")[1]
    tensors = [part for part in tree_flatten((args, kwargs))[0] if isinstance(part, torch.Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, _OnDevice)]
    asked = kwargs.get("device")
    to_device = asked is not None and torch.device(asked).type == DEVICE.type
    if not here and not to_device:
        return operation(*args, **kwargs)
    moves = name in ("_to_copy", "copy_")
    strangers = [t for t in tensors if not isinstance(t, _OnDevice) and t.dim() > 0]
    if strangers and not moves:
        raise RuntimeError(f"{operation}: expected all tensors on the same device, found {len(strangers)} on the CPU")
    by_mask = name.startswith(("index", "_index_put")) and any(t.dtype == torch.bool for t in tensors)
    leaves = name == "_to_copy" and bool(here) and asked is not None and not to_device
    if name in _WAITING or by_mask or leaves or (name == "copy_" and strangers):
        _counts.waits.append(name)
    if moves and not (here and leaves):
        _counts.sent_bytes += sum(t.nbytes for t in strangers)
    _counts.operations += name not in _FREE
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = operation(*tree_map(_held, args), **tree_map(_held, kwargs))
    if leaves or (asked is not None and not to_device):
        return found
    wrapped = tree_map(lambda part: _OnDevice(part) if type(part) is torch.Tensor else part, found)
    return return_and_correct_aliasing(operation, args, kwargs, wrapped) if here else wrapped


def _held(part):
    return part.held if isinstance(part, _OnDevice) else part


@contextmanager
def pretended_device(monkeypatch) -> Iterator[Counts]:
    """While it lasts, every thread may name DEVICE; the counts are of all since it began."""
    made, start = torch.tensor, threading.Thread.run

    def tensor(data, *, device=None, **more):
        return made(data, **more) if device is None else made(data, **more).to(device)

    def run_with_the_device(thread: threading.Thread) -> None:
        with _WhateverNamesIt():
            start(thread)

    monkeypatch.setattr(torch, "tensor", tensor)  # the library's own is deaf to modes
    monkeypatch.setattr(torch, "Generator", _Generator)
    monkeypatch.setattr(threading.Thread, "run", run_with_the_device)
    _counts.operations, _counts.waits, _counts.sent_bytes = 0, [], 0
    _counts.most_bytes, _counts.limit_bytes = _counts.bytes, math.inf
    with _WhateverNamesIt():
        yield _counts
