"""Headers that name the file of their voxels: it must be an ordinary file in or below the folder of its header.

A header that comes from elsewhere could otherwise have any file read as an image, or a pipe that never answers.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from .errors import InvalidVolumeError
from .paths import full_suffix, uncompressed_twin

_LONGEST_HEADER = 4 << 20
# The end of an NRRD header that has its voxels behind it, and how it or a MetaImage header says where else they are.
_NRRD_END = re.compile(rb"\r?\n\r?\n")
_NRRD_DATA = re.compile(rb"^data ?file:[ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_META_DATA = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


class _Format(NamedTuple):
    begins: re.Pattern[bytes]  # what every header of this kind holds
    data: re.Pattern[bytes]  # where a header says what holds the voxels
    spacing: re.Pattern[bytes]  # and how large they are: without it ITK takes them for cubes of a millimetre


_NRRD = _Format(
    re.compile(rb"^sizes:", re.MULTILINE),
    _NRRD_DATA,
    re.compile(rb"^(spacings|space ?directions):", re.IGNORECASE | re.MULTILINE),
)
_META = _Format(_META_DATA, _META_DATA, re.compile(rb"^[ \t]*Element(Spacing|Size)[ \t]*[=:]", re.MULTILINE))
_META_SUFFIXES = (".mha", ".mhd")
_HERE = b"LOCAL"
# A NIfTI or Analyze header and its voxels are told apart by their suffixes alone.
_PARTNERS = {".hdr": ".img", ".img": ".hdr", ".hdr.gz": ".img.gz", ".img.gz": ".hdr.gz"}


def check_voxel_files(path: Path, name: str) -> None:
    """Check where the voxels of an image file are, before ITK opens them; a file that holds its own passes.

    Raises:
        InvalidVolumeError: they are in many files, outside the folder, or in what is no ordinary file; an NRRD or
            MetaImage header that does not end, or does not say how large a voxel is.
    """
    form, header = _header(path, name)
    for said in form.data.findall(header) if form else []:
        if said.upper() == _HERE:
            continue
        relative = os.fsdecode(said)
        if "%" in relative or relative.upper().split(" ")[0] == "LIST":
            raise InvalidVolumeError(f"{name}: the voxels of {path} are in many files. Save it as one .nrrd file.")
        if not _stays_inside(relative):
            raise InvalidVolumeError(
                f"{name}: {path} names {relative[:200]!r} as the file of its voxels, outside its own folder. "
                "Move that file beside the header and write its name alone."
            )
        _check_ordinary(path.parent / relative, path, name)
    if form and form.begins.search(header) and not form.spacing.search(header):
        raise InvalidVolumeError(f"{name}: the header of {path} does not say how large a voxel is. Export it again.")
    suffix = full_suffix(path)
    twin = uncompressed_twin(path)
    if twin is not None and os.path.exists(twin):
        raise InvalidVolumeError(
            f"{name}: {twin.name} lies beside {path}, and ITK would read the voxels of that file in its place. Move or "
            "rename one of them."
        )
    if suffix in _PARTNERS:
        partner = path.with_name(path.name[: -len(suffix)] + _PARTNERS[suffix])
        if partner.exists():
            _check_ordinary(partner, path, name)


def _header(path: Path, name: str) -> tuple[_Format | None, bytes]:
    """The header of an NRRD or MetaImage file; none where it is of another kind."""
    try:
        with open(path, "rb") as file:
            start = file.read(_LONGEST_HEADER)
    except OSError as error:
        raise InvalidVolumeError(f"{name}: {path} cannot be read ({error.strerror or error}).") from error
    is_nrrd = start.startswith(b"NRRD")
    if not is_nrrd and full_suffix(path) not in _META_SUFFIXES:
        return None, b""
    end = _NRRD_END.search(start) if is_nrrd else _META_DATA.search(start)
    if end is None and len(start) == _LONGEST_HEADER:
        raise InvalidVolumeError(f"{name}: the header of {path} does not end. The file is damaged; export it again.")
    return _NRRD if is_nrrd else _META, start[: end.end()] if end else start


def _stays_inside(name: str) -> bool:
    """A relative path that never goes up, as either kind of system reads it."""
    return not any(
        kind(name).is_absolute() or kind(name).drive or kind(name).root or ".." in kind(name).parts
        for kind in (PurePosixPath, PureWindowsPath)
    )


def _check_ordinary(voxels: Path, path: Path, name: str) -> None:
    # One that is missing is left to ITK; os.path says True or False also for names that cannot be.
    if os.path.exists(voxels) and not os.path.isfile(voxels):
        raise InvalidVolumeError(
            f"{name}: {str(voxels)[-200:]!r}, the voxels of {path}, is no ordinary file. Save the image again."
        )
