"""What an input consists of on the disk, and its fingerprint: a hash of content that is cheap to check again.

Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from NePhiCore.paths import full_suffix

# A file that was changed less than this before it was read may be changed again without a sign of it in its times.
_SETTLED_S = 2.0
_HEADER_BYTES = 1 << 16
_PARTNERS = {
    ".hdr": (".img", ".img.gz"),
    ".hdr.gz": (".img.gz", ".img"),
    ".img": (".hdr",),
    ".img.gz": (".hdr", ".hdr.gz"),
}
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)[ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Fingerprint:
    """What one input was when it was read.

    Attributes:
        path: where it lay.
        sha256: of all its files, their contents and order; None where it could not be read.
        stamp: changes when any of its files is written, moved or replaced; "" where it cannot be trusted to.
    """

    path: str
    sha256: str | None
    stamp: str

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)


def fingerprint(path: Path) -> Fingerprint:
    """Read an input whole and say what it is; sha256 is None where that fails."""
    began_s = time.time()
    try:
        files = _files_of(path)
        stamp, newest_s = _stamp(path, files)
        digest = hashlib.sha256()
        for file in files:
            # A detached header names its data file, so what it is called must not be left out; its folder must.
            digest.update(os.fsencode(file.name) + b"\0" if len(files) > 1 else b"")
            digest.update(_sha256(file))
        is_settled = newest_s < began_s - _SETTLED_S and _stamp(path, files)[0] == stamp
    except OSError:
        return Fingerprint(str(path), None, "")
    return Fingerprint(str(path), digest.hexdigest(), stamp if is_settled else "")


def current(known: Fingerprint, path: Path) -> Fingerprint:
    """The fingerprint of an input that was known before; it is read again only where its files show a change."""
    if known.sha256 and known.stamp and known.path == str(path):
        with suppress(OSError):  # one that cannot be read has no fingerprint, as below
            if _stamp(path, _files_of(path))[0] == known.stamp:
                return known
    return fingerprint(path)


def _files_of(path: Path) -> list[Path]:
    """The files of an input: one, a header with its data, or a folder of slices."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    return [path, *sorted(set(_data_files(path)) - {path})]


def _data_files(path: Path) -> Iterator[Path]:
    suffix = full_suffix(path)
    for other in _PARTNERS.get(suffix, ()):
        partner = path.with_name(path.name[: -len(suffix)] + other)
        if partner.is_file():
            yield partner
    if suffix in (".mhd", ".nhdr"):
        with path.open("rb") as file:
            said = _DATA_FILE.search(file.read(_HEADER_BYTES))
        name = os.fsdecode(said.group(1)) if said else ""
        if (path.parent / name).is_file():
            yield path.parent / name
        elif name.upper() != "LOCAL":  # a list or a pattern of slices: any file there may be one
            yield from (file for file in path.parent.iterdir() if file.is_file())


def _stamp(path: Path, files: list[Path]) -> tuple[str, float]:
    """The stamp of files, and when the newest of them was changed."""
    states = [os.stat(file) for file in files]
    parts = [f"{file.name}:{s.st_size}:{s.st_mtime_ns}:{s.st_ctime_ns}" for file, s in zip(files, states)]
    newest_s = max((max(s.st_mtime, s.st_ctime) for s in states), default=0.0)
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest(), newest_s


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        if hasattr(hashlib, "file_digest"):  # since Python 3.11
            return hashlib.file_digest(file, "sha256").digest()
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
        return digest.digest()
