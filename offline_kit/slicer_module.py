"""The Slicer module as an installed extension has it: the files that its CMakeLists.txt names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

MODULE = "NePhiRegistration"
_LISTS = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")


def module_files(repository: Path) -> list[str]:
    """Scripts and resources, relative to the folder of the module."""
    text = (repository / MODULE / "CMakeLists.txt").read_text(encoding="utf-8").replace("${MODULE_NAME}", MODULE)
    return [file for name in _LISTS for file in re.search(rf"set\({name}\s([^)]*)\)", text).group(1).split()]


def copy_module(repository: Path, folder: Path) -> None:
    """Copy them into a folder that Slicer can be told of as an additional module path."""
    for file in module_files(repository):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository / MODULE / file, target)
