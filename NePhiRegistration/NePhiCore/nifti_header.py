"""What ITK does not say about a NIfTI file.

ITK reads a truncated NIfTI file without an error (the missing voxels become 0), turns NaN and infinite voxels
into 0, and takes a voxel size of 0 or NaN for 1 mm. All three are found here, in the header and the bytes after it.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import InvalidVolumeError
from .paths import full_suffix

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_SHORTEST_FILE, _LONGEST_HEADER = 352, 540
_LARGEST_OFFSET = 1 << 30
# First number of the file (size of the header) -> format and byte offset of each field: NIfTI-1, NIfTI-2.
_LAYOUTS = {
    348: {
        "magic": ("4s", 344),
        "dim": ("8h", 40),
        "datatype": ("2h", 70),  # its code and its bits
        "pixdim": ("8f", 76),
        "vox_offset": ("f", 108),
        "intent": ("h", 68),
        "scaling": ("2f", 112),
        "forms": ("2h", 252),  # whether there is a qform, and an sform
        "qform": ("6f", 256),
        "sform": ("12f", 280),
    },
    540: {
        "magic": ("4s", 4),
        "dim": ("8q", 16),
        "datatype": ("2h", 12),
        "pixdim": ("8d", 104),
        "vox_offset": ("q", 168),
        "intent": ("i", 504),
        "scaling": ("2d", 176),
        "forms": ("2i", 344),
        "qform": ("6d", 352),
        "sform": ("12d", 400),
    },
}
Fields = dict[str, tuple[Any, ...]]
_HEADER, _VOXELS = ".hdr", ".img"  # where they are two files, each compressed or not
_VECTOR_INTENTS = (1006, 1007)  # displacement, vector
_FLOAT_TYPES = {16: "f4", 64: "f8"}


class _Header(NamedTuple):
    spacing_mm: tuple[float, ...]  # along the first three axes, or fewer where the image has fewer
    is_apart: bool  # the voxels lie in another file
    voxel_offset: int  # where they start, uncompressed
    voxel_bytes: int
    float_type: np.dtype | None  # of voxels that can be NaN
    is_scaled_vector: bool  # vectors that are stored as other numbers, of which ITK scales the first third


def check_nifti(path: Path, name: str) -> None:
    """Check what ITK leaves unsaid about a NIfTI file; a file with another header passes.

    Raises:
        InvalidVolumeError: truncated or damaged, NaN or infinite voxels, a spacing that is no length, scaled vectors.
    """
    try:
        with _open_stream(_one_of_two(path, _HEADER)) as stream:
            header = _read_header(stream)
        if header is None:
            return
        _check_spacing(header, name, path)
        if header.is_scaled_vector:
            raise InvalidVolumeError(
                f"{name}: the vectors in {path} are scaled by its header (scl_slope), which ITK does to a part of "
                "them only. Save them as floating-point numbers without scaling."
            )
        with _open_stream(_one_of_two(path, _VOXELS) if header.is_apart else path) as stream:
            stream.seek(header.voxel_offset)
            got_bytes, bad_voxels = _read_to_the_end(stream, header)
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidVolumeError(f"{name}: {path} is truncated or damaged. Copy or export it again.") from error
    if got_bytes < header.voxel_bytes:
        raise InvalidVolumeError(
            f"{name}: {path} is truncated: it holds {got_bytes} bytes of voxels, its header announces "
            f"{header.voxel_bytes}. Copy or export it again."
        )
    if bad_voxels:
        raise InvalidVolumeError(
            f"{name}: {bad_voxels} voxels of {path} are NaN or infinite. Replace them first: air in a CT is -1000 HU, "
            "0 is outside in a mask."
        )


def nifti_fields(path: Path) -> Fields | None:
    """Fields of the header of a NIfTI file, by the names of the standard or of what they say; None of another file."""
    try:
        with _open_stream(_one_of_two(path, _HEADER)) as stream:
            found = _read_fields(stream)
    except (EOFError, OSError, zlib.error):
        return None
    return found and found[0]


def holds_voxels(path: Path, array: np.ndarray) -> bool:
    """Whether a NIfTI file that this machine has written holds an array (K, J, I), whole and nothing after it.

    To compare them piece by piece takes no memory; ITK would take twice that of the array to read them.

    Raises:
        EOFError, OSError, zlib.error: truncated, damaged, or not to be read.
    """
    expected = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    at = 0
    with _open_stream(path) as stream:
        header = _read_header(stream)
        if header is None:
            return False
        stream.seek(header.voxel_offset)
        while chunk := stream.read(_CHUNK_BYTES):
            if not np.array_equal(np.frombuffer(chunk, np.uint8), expected[at : at + len(chunk)]):
                return False
            at += len(chunk)
    return at == expected.size


def _open_stream(path: Path) -> io.BufferedIOBase:
    with open(path, "rb") as file:
        is_compressed = file.read(2) == _GZIP_MAGIC
    return gzip.open(path, "rb") if is_compressed else open(path, "rb")


def _one_of_two(path: Path, wanted: str) -> Path:
    """The file of the header or of the voxels, where they are two and it is there; else the one given."""
    suffix = full_suffix(path)
    if not suffix.startswith((_HEADER, _VOXELS)):
        return path
    names = (path.name[: -len(suffix)] + wanted + end for end in ("", ".gz"))  # in the order of the NIfTI library
    return next((other for name in names if (other := path.with_name(name)).is_file()), path)


def _read_header(stream: io.BufferedIOBase) -> _Header | None:
    found = _read_fields(stream)
    return found and _header_of(*found)


def _read_fields(stream: io.BufferedIOBase) -> tuple[Fields, str] | None:
    """The fields of a header and its byte order."""
    raw = stream.read(_SHORTEST_FILE)
    if len(raw) < _SHORTEST_FILE:
        return None
    for order in "<>":
        layout = _LAYOUTS.get(struct.unpack(order + "i", raw[:4])[0])
        if layout is not None:
            raw += stream.read(_LONGEST_HEADER - len(raw))
            if len(raw) < struct.unpack(order + "i", raw[:4])[0]:
                return None
            fields = {key: struct.unpack_from(order + kind, raw, at) for key, (kind, at) in layout.items()}
            return fields, order
    return None


def _header_of(fields: Fields, order: str) -> _Header:
    axes = min(max(fields["dim"][0], 0), 7)
    spacing_mm = fields["pixdim"][1 : min(axes, 3) + 1]
    is_apart = not fields["magic"][0].startswith(b"n+")  # "ni1", or an Analyze file
    (offset,) = fields["vox_offset"]
    least = 0 if is_apart else _SHORTEST_FILE
    offset = int(min(max(offset, least), _LARGEST_OFFSET)) if math.isfinite(offset) else _LARGEST_OFFSET
    code, bits = fields["datatype"]
    voxel_bytes = math.prod(max(n, 1) for n in fields["dim"][1 : axes + 1]) * bits // 8
    float_type = np.dtype(order + _FLOAT_TYPES[code]) if code in _FLOAT_TYPES else None
    (intent,), (slope, shift) = fields["intent"], fields["scaling"]
    is_scaled = math.isfinite(slope) and slope != 0 and (slope, shift) != (1, 0)
    return _Header(spacing_mm, is_apart, offset, voxel_bytes, float_type, intent in _VECTOR_INTENTS and is_scaled)


def _check_spacing(header: _Header, name: str, path: Path) -> None:
    if not all(math.isfinite(mm) and mm > 0 for mm in header.spacing_mm):
        raise InvalidVolumeError(
            f"{name}: {path} has voxel spacing {list(header.spacing_mm)} mm; each must be a positive number. "
            "Correct pixdim in the NIfTI header."
        )


def _read_to_the_end(stream: io.BufferedIOBase, header: _Header) -> tuple[int, int]:
    """Bytes of voxels that are there, and how many voxels are NaN or infinite.

    Goes on to the end of the stream, where gzip compares its checksum, but not far beyond the voxels.
    """
    got_bytes = bad_voxels = 0
    while got_bytes <= header.voxel_bytes and (chunk := stream.read(_CHUNK_BYTES)):
        if header.float_type is not None:
            whole = min(len(chunk), header.voxel_bytes - got_bytes) // header.float_type.itemsize
            voxels = np.frombuffer(chunk, header.float_type, count=whole)
            bad_voxels += whole - int(np.count_nonzero(np.isfinite(voxels)))
        got_bytes += len(chunk)
    return got_bytes, bad_voxels
