"""Files by their names: the format announced, whether they are there, small ones read, HDF5 known by any name."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NePhiError

_LONGEST_NAME = 100
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HDF5_FIRST_STEP = 512
# Names that Windows keeps for devices, whatever ending follows.
_DEVICE_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def full_suffix(path: Path | str) -> str:
    """The suffix that names the file format, in lower case; ".nii.gz" and its like in full."""
    path = Path(path)
    last = path.suffix.lower()
    before = Path(path.stem).suffix.lower()
    return before + last if last == ".gz" and before in (".nii", ".img", ".hdr") else last


def uncompressed_twin(path: Path) -> Path | None:
    """The file that ITK and 3D Slicer take the voxels of a compressed NIfTI or Analyze file from, where it is there.

    The NIfTI library knows an image by its name without the suffix, and looks for uncompressed voxels first
    (`nifti_findimgname` in nifti1_io.c); the header is that of the file which was named.
    """
    suffix = full_suffix(path)
    if suffix not in (".nii.gz", ".img.gz", ".hdr.gz"):
        return None
    written = path.name[-len(suffix) :]
    of_voxels = ".nii" if suffix == ".nii.gz" else ".img"
    return path.with_name(path.name[: -len(suffix)] + (of_voxels.upper() if written.isupper() else of_voxels))


def check_is_file(path: Path, name: str, error: type[NePhiError]) -> None:
    """Raise the given error where the path is no file that can be read; ``name`` is what the message calls it."""
    # os.path answers False, where Path raises, for what lies in a folder that may not be looked into.
    if not os.path.isfile(path):
        problem = "is not a file" if os.path.exists(path) else "does not exist"
        raise error(f"{name}: {path} {problem}. Check the path.")
    if not os.access(path, os.R_OK):
        raise error(f"{name}: {path} may not be read by this user. Change its permissions.")
    check_name_is_text(path, name, error)


def check_name_is_text(path: Path | str, name: str, error: type[NePhiError]) -> None:
    """Raise the given error where a path holds bytes that are no text; with such a one ITK ends the whole process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise error(
            f"{name}: the name {str(path)!r} holds bytes that are no text. Rename the file or folder."
        ) from None


def read_small_file(path: Path, name: str, largest_mib: int, error: type[NePhiError]) -> bytes:
    """A file as it is; raises the given error where it cannot be read, or is larger than a file of its kind can be."""
    check_is_file(path, name, error)
    try:
        size = path.stat().st_size
        if size > largest_mib << 20:
            raise error(f"{name}: {path} has {size >> 20} MiB, at most {largest_mib} are read. Check the path.")
        return path.read_bytes()
    except OSError as problem:
        raise error(f"{name}: {path} cannot be read ({problem.strerror or problem}).") from problem


def holds_hdf5(path: Path) -> bool:
    """The file has HDF5's signature where that may be: at its beginning, or at 512 bytes or a doubling of them."""
    size, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place < size:
            file.seek(place)
            if file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE:
                return True
            place = 2 * place or _HDF5_FIRST_STEP
    return False


def is_safe_name(name: str) -> bool:
    """The name can be one of a file or folder on every system, and means nothing else there."""
    letters = all(letter.isalnum() or letter in "-_+. " for letter in name)
    is_short = 0 < len(name) <= _LONGEST_NAME and len(name.encode()) <= 2 * _LONGEST_NAME
    ends = name[:1] not in ". " and name[-1:] not in ". "
    return letters and is_short and ends and name.split(".", maxsplit=1)[0].strip().casefold() not in _DEVICE_NAMES
