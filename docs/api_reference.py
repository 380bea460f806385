"""The reference of the Python packages, from their docstrings: `python docs/api_reference.py FOLDER`, or `make docs`.

pdoc imports what it describes. What needs Slicer is imported on the tests' stand-in for it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("NePhiCore", "NePhiBatch")
OF_SLICER = ("NePhiRegistrationLib.logic", "NePhiRegistrationLib.registration_nodes")


def main(folder: Path) -> None:
    """Write index.html and a page for each module. A module that cannot be imported ends it."""
    sys.path[:0] = [str(REPOSITORY / "NePhiRegistration"), str(REPOSITORY / "NePhiRegistration/Testing/Python")]
    import pdoc
    import pdoc.render
    import slicer_standin

    slicer_standin.install()
    for name in (*modules_of_packages(), *OF_SLICER):
        module = importlib.import_module(name)
        module.__all__ = own_names(module)
    pdoc.render.configure(docformat="google", footer_text="NePhi Registration")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Error loading")
        pdoc.pdoc(*PACKAGES, *OF_SLICER, output_directory=folder)


def modules_of_packages() -> list[str]:
    """Every module of the packages, but the ones that begin to run when they are imported."""
    found = []
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        found += [f"{package}.{info.name}" for info in pkgutil.iter_modules(folder) if info.name != "__main__"]
    return found


def own_names(module: ModuleType) -> list[str]:
    """Public names that a module itself defines, and what they inherit from; names for others' classes are left out."""
    names: list[str] = []
    bases: set[str] = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
            bases |= {base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    public = [name for name in names if not name.startswith("_") or name in bases]
    return [name for name in public if getattr(getattr(module, name), "__module__", module.__name__) == module.__name__]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
