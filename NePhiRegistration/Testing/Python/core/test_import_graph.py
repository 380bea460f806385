"""Imports go one way: no module reaches itself again, and what lies below never asks what lies above."""

import ast
import graphlib
from pathlib import Path

import pytest

# A package and those that it may import, itself apart. NePhiCore's program section, the command, adds the batches'.
MAY_IMPORT = {
    "NePhiCore": {"NePhiBatch"},
    "NePhiBatch": {"NePhiCore"},
    "NePhiRegistrationLib": {"NePhiCore", "NePhiBatch"},
    "training": {"NePhiCore"},
    "benchmarks": {"NePhiCore", "NePhiBatch", "training"},
}
PROGRAM = {"NePhiCore.cli", "NePhiCore.cli_arguments"}


@pytest.fixture(scope="module")
def graph(repository) -> dict[str, set[str]]:
    """What each module imports of these packages, wherever in it."""
    folders = {name: repository / name for name in ("training", "benchmarks")}
    folders |= {name: repository / "NePhiRegistration" / name for name in MAY_IMPORT if name not in folders}
    files = {name: path for package, folder in folders.items() for name, path in modules(package, folder)}
    found = {}
    for name, path in files.items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        found[name] = {module for module in imported(path.read_text(encoding="utf-8"), package) if module in files}
    return found


def modules(package: str, folder: Path):
    for path in folder.rglob("*.py"):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(source: str, package: str) -> set[str]:
    """Full names of the modules that a module of a package may be importing."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
            # `from . import x` takes a module out of the package, and not the package's own names.
            names |= {module} if node.module else set()
    return names


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("from .errors import A", "NePhiCore", {"NePhiCore.errors", "NePhiCore.errors.A"}),
        ("from . import errors", "NePhiCore", {"NePhiCore.errors"}),
        ("from ..cases import A", "benchmarks.soak", {"benchmarks.cases", "benchmarks.cases.A"}),
        ("def f():\n    import NePhiCore.cli", "NePhiBatch", {"NePhiCore.cli"}),
    ],
)
def test_what_counts_as_an_import(source, package, expected):
    assert imported(source, package) == expected


def test_every_module_is_looked_at(graph):
    assert len(graph) > 200
    assert "NePhiCore.errors" in graph["NePhiCore.cli"]


def test_no_module_reaches_itself_again(graph):
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the modules


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_those_below_it_only(graph, package):
    for name, others in graph.items():
        if name.split(".")[0] == package:
            foreign = {other.split(".")[0] for other in others} - {package}
            assert foreign <= MAY_IMPORT[package], name
            assert package != "NePhiCore" or not foreign or name in PROGRAM, name
