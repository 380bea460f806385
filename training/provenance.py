"""Which code and which files something was made from."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of this source tree, with "-dirty" where it was changed; "unknown" outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def sha256_of(path: Path) -> str:
    """Of a file, or of all files of a folder (a DICOM series) in the order of their names."""
    digest = hashlib.sha256()
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
