"""docs/modules.md says what is so: which modules there are, what they offer and what they import."""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import NePhiBatch
import NePhiCore

PACKAGES = [Path(package.__file__).parent for package in (NePhiCore, NePhiBatch)]
PATHS = {path.stem: path for package in PACKAGES for path in package.glob("*.py") if not path.stem.startswith("__")}
FILES = sorted(PATHS)


class Row(NamedTuple):
    section: str
    offers: list[str]
    may_import: list[str]


@pytest.fixture(scope="module")
def rows(repository) -> dict[str, Row]:
    """The rows of all tables, by module."""
    text = (repository / "docs/modules.md").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n### ")[1:]:
        section = part.split("\n")[0]
        for module, offers, may_import in re.findall(r"^\| `(\w+)` \|[^|]+\|([^|]+)\|([^|]*)\|$", part, re.MULTILINE):
            found[module] = Row(section, re.findall(r"`(\w+)`", offers), re.findall(r"\w+", may_import))
    return found


def parsed(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


def own_imports(module: str) -> set[str]:
    """Modules of both packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and is_own(node.module):
            names.add(node.module.partition(".")[2])
    return names & set(FILES)


def is_own(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {package.name for package in PACKAGES}


def libraries(module: str) -> set[str]:
    """Packages that a module imports and that do not come with Python."""
    names = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[0] for name in names if not is_own(name)} - set(sys.stdlib_module_names)


def test_no_two_modules_have_one_name():
    assert len(PATHS) == sum(len([*package.glob("[!_]*.py")]) for package in PACKAGES)


def test_every_module_has_its_row(rows):
    assert sorted(rows) == FILES


@pytest.mark.parametrize("module", FILES)
def test_a_module_offers_what_is_said(rows, module):
    defined = set()
    for node in parsed(module).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert rows[module].offers
    assert set(rows[module].offers) <= defined


@pytest.mark.parametrize("module", FILES)
def test_a_module_imports_no_more_than_is_said(rows, module):
    section, _, may_import = rows[module]
    sections = {rows[other].section for other in own_imports(module)}
    assert sections <= {section, *may_import}
    assert libraries(module) <= set(may_import)


def test_sections_import_earlier_ones_only(rows):
    order = list(dict.fromkeys(row.section for row in rows.values()))
    for module, row in rows.items():
        asked = [order.index(name) for name in row.may_import if name in order]
        assert all(place < order.index(row.section) for place in asked), module
