"""What ITK does not say about a MetaImage file: it takes compressed voxels that are damaged or too few for whole."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from .errors import InvalidVolumeError
from .paths import full_suffix

_SUFFIXES = (".mha", ".mhd")
_CHUNK_BYTES = 1 << 20
_LONGEST_HEADER = 1 << 16
_COMPRESSED = re.compile(rb"^[ \t]*CompressedData[ \t]*[=:][ \t]*[Tt1]", re.MULTILINE)
_DATA = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][ \t]*(.*?)[ \t\r]*\n", re.MULTILINE)


def check_meta(path: Path, voxel_bytes: int, name: str) -> None:
    """Unpack the voxels of a MetaImage file to the end, where zlib compares its checksum; another file passes.

    Args:
        path: a file whose header ITK has read.
        voxel_bytes: what its header announces, unpacked.
        name: what messages call it.

    Raises:
        InvalidVolumeError: damaged, or fewer bytes than announced.
    """
    if full_suffix(path) not in _SUFFIXES:
        return
    with open(path, "rb") as file:
        start = file.read(_LONGEST_HEADER)
    data = _DATA.search(start)
    if data is None or not _COMPRESSED.search(start[: data.start()]):
        return
    is_local = data.group(1).upper() == b"LOCAL"
    holder, offset = (path, data.end()) if is_local else (path.parent / data.group(1).decode(), 0)
    try:
        unpacked = _unpacked_bytes(holder, offset)
    except (OSError, zlib.error) as error:
        raise InvalidVolumeError(f"{name}: {path} is damaged. Copy or export it again.") from error
    if unpacked < voxel_bytes:
        raise InvalidVolumeError(
            f"{name}: {path} is truncated or damaged: it holds {unpacked} bytes of voxels, its header announces "
            f"{voxel_bytes}. Copy or export it again."
        )


def _unpacked_bytes(path: Path, offset: int) -> int:
    """Bytes that a zlib stream unpacks to; raises zlib.error where it is damaged, 0 where it does not end."""
    stream, count = zlib.decompressobj(zlib.MAX_WBITS | 32), 0
    with open(path, "rb") as file:
        file.seek(offset)
        while not stream.eof and (chunk := stream.unconsumed_tail or file.read(_CHUNK_BYTES)):
            count += len(stream.decompress(chunk, _CHUNK_BYTES))
    return count if stream.eof else 0
