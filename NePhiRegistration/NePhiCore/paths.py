"""File names: the format that they announce, and whether the file is there."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NePhiError

_LONGEST_NAME = 100
# Names that Windows keeps for devices, whatever ending follows.
_DEVICE_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def full_suffix(path: Path | str) -> str:
    """The suffix that names the file format, in lower case; ".nii.gz" and its like in full."""
    path = Path(path)
    last = path.suffix.lower()
    before = Path(path.stem).suffix.lower()
    return before + last if last == ".gz" and before in (".nii", ".img", ".hdr") else last


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


def is_safe_name(name: str) -> bool:
    """The name can be one of a file or folder on every system, and means nothing else there."""
    letters = all(letter.isalnum() or letter in "-_+. " for letter in name)
    is_short = 0 < len(name) <= _LONGEST_NAME and len(name.encode()) <= 2 * _LONGEST_NAME
    ends = name[:1] not in ". " and name[-1:] not in ". "
    return letters and is_short and ends and name.split(".")[0].strip().casefold() not in _DEVICE_NAMES
