"""File names: the format that they announce, and whether the file is there."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NePhiError


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
