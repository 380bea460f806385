"""Weights files that want to run code, which would leave a file `mark` in the working directory, or to fill memory."""

from __future__ import annotations

import io
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from NePhiCore.checkpoint import save_checkpoint

from .samples import small_model

_MARK = "open('mark', 'w').close()"


class _Calls:
    """Unpickled by calling a function."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple:
        return self._call


def _good() -> bytes:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "good.pt")
        save_checkpoint(path, small_model(), {"data": "none"})
        return path.read_bytes()


def _with_pickle(pickled: bytes) -> bytes:
    """A weights file in which the description of its content is replaced."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_good())) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return written.getvalue()


def _with_origin(origin: object) -> bytes:
    """A weights file that is good but for what it says of its origin."""
    content = torch.load(io.BytesIO(_good()), weights_only=True)
    file = io.BytesIO()
    torch.save({**content, "origin": origin}, file)
    return file.getvalue()


def _global(module: str, name: str, argument: bytes) -> bytes:
    """A pickle that calls module.name with one argument that is itself pickled."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + argument + b"\x85R."


def _text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def _with_many_entries() -> bytes:
    written = io.BytesIO(_good())
    with zipfile.ZipFile(written, "a") as archive:
        for number in range(50_000):
            archive.writestr(f"archive/{number}", b"")
    return written.getvalue()


def _bomb(mebibytes: int) -> bytes:
    written = io.BytesIO(_good())
    with zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/999", bytes(mebibytes << 20))
    return written.getvalue()


def _legacy(content: object) -> bytes:
    """Torch's format before it used zip, with a zip archive behind it for who looks only for that."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue() + _good()


def _enlarged() -> bytes:
    """A tensor that claims a hundred times the numbers that its storage has."""
    content = torch.load(io.BytesIO(_good()), weights_only=True)
    name, value = next(iter(content["weights"].items()))
    content["weights"][name] = torch.as_strided(value, (10**6, 10**6), (0, 0))
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "checkpoint, a pickle that calls eval": lambda: pickle.dumps(_Calls(eval, _MARK)),
    "checkpoint, eval in the archive": lambda: _with_pickle(pickle.dumps(_Calls(eval, _MARK))),
    "checkpoint, exec in its origin": lambda: _with_origin(_Calls(exec, _MARK)),
    "checkpoint, system in the archive": lambda: _with_pickle(_global("os", "system", _text("touch mark"))),
    "checkpoint, posix.system in the archive": lambda: _with_pickle(_global("posix", "system", _text("touch mark"))),
    "checkpoint, getattr of a module": lambda: _with_pickle(_global("builtins", "__import__", _text("antigravity"))),
    "checkpoint, torch.load once more": lambda: _with_pickle(_global("torch", "load", _text("mark"))),
    "checkpoint, torch's own exec": lambda: _with_pickle(
        _global("torch.utils.collect_env", "run", _text("touch mark"))
    ),
    "checkpoint, a class with a state": lambda: _with_origin(zipfile.ZipFile.__new__(zipfile.ZipFile)),
    "checkpoint, bytes without end": lambda: _with_pickle(
        _global("builtins", "bytearray", b"\x8a\x06" + b"\0" * 4 + b"\0\x01")
    ),
    "checkpoint, tuples within tuples": lambda: _with_pickle(b"\x80\x02)" + b"\x85" * 10**6 + b"."),
    "checkpoint, lists that double": lambda: _with_pickle(b"\x80\x02]" + b"q\x01(h\x01h\x01l" * 40 + b"."),
    "checkpoint, code in the old format": lambda: _legacy(_Calls(eval, _MARK)),
    "checkpoint, a tensor of a terabyte": _enlarged,
    "checkpoint, a zip bomb": lambda: _bomb(600),
    "checkpoint, a zip bomb below the limit": lambda: _bomb(300),
    "checkpoint, fifty thousand entries": _with_many_entries,
}
