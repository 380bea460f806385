"""The wheel of this project."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCES = ("pyproject.toml", "README.md", "LICENSE")


def build_wheel(repository: Path, folder: Path) -> Path:
    """Build as `python -m build` does, the source distribution first and the wheel of that, with the setuptools here.

    It is made in a copy of the sources, for a build leaves folders in them.

    Args:
        folder: where the wheel goes.

    Raises:
        SystemExit: the build failed; shows what it said.
    """
    with tempfile.TemporaryDirectory() as temporary:
        sources = Path(temporary)
        module = "NePhiRegistration"
        shutil.copytree(
            repository / module, sources / module, ignore=shutil.ignore_patterns("Testing", "__pycache__", ".*")
        )
        for name in _SOURCES:
            shutil.copy(repository / name, sources)
        command = [sys.executable, "-m", "build", "--no-isolation", str(sources)]
        built = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
        if built.returncode != 0:
            raise SystemExit(f"The wheel could not be built.\n{built.stdout}{built.stderr}")
        (wheel,) = (sources / "dist").glob("*.whl")
        return Path(shutil.copy(wheel, folder))
