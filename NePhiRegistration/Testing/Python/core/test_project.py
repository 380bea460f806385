"""The project's own files agree with each other: CMake, .json, .s4ext, pyproject and what lies on the disk."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import NePhiBatch
import NePhiCore

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RAW_FILES = "https://raw.githubusercontent.com/"


@pytest.fixture(scope="module")
def module(repository) -> Path:
    """Folder of the Slicer module."""
    return repository / "NePhiRegistration"


@pytest.fixture(scope="module")
def cmake(repository) -> dict[str, str]:
    """The literal `set(EXTENSION_...)` values of the extension."""
    text = (repository / "CMakeLists.txt").read_text()
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]+)"\)$', text, re.MULTILINE))


@pytest.fixture(scope="module")
def description(repository) -> dict:
    """NePhiExtension.json, what the Extensions Index reads."""
    return json.loads((repository / "NePhiExtension.json").read_text())


@pytest.fixture(scope="module")
def s4ext(repository) -> dict[str, str]:
    """NePhiExtension.s4ext, the older form of the same."""
    lines = (repository / "NePhiExtension.s4ext").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def pyproject(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def files_under(folder: Path, pattern: str) -> set[str]:
    """Files of the module that match, relative to it, as CMake writes them."""
    found = (path for path in folder.rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder.parent).as_posix() for path in found}


def cmake_list(module: Path, name: str) -> list[str]:
    text = (module / "CMakeLists.txt").read_text().replace("${MODULE_NAME}", module.name)
    return re.search(rf"set\({name}\s([^)]*)\)", text).group(1).split()


def test_cmake_names_every_script(module):
    scripts = cmake_list(module, "MODULE_PYTHON_SCRIPTS")
    packages = ("NePhiBatch", "NePhiCore", "NePhiRegistrationLib")
    on_disk = set().union(*(files_under(module / package, "*.py") for package in packages))
    assert set(scripts) == on_disk | {"NePhiRegistration.py"}
    assert len(scripts) == len(set(scripts))


def test_cmake_names_every_resource(module):
    assert set(cmake_list(module, "MODULE_PYTHON_RESOURCES")) == files_under(module / "Resources", "*")


def test_cmake_holds_every_value_that_the_extensions_index_asks_for(cmake):
    asked = {"HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert set(cmake) == asked
    assert cmake["DEPENDS"] == "PyTorch"


def test_the_extension_has_one_name(repository):
    project = re.search(r"^project\((\w+)\)$", (repository / "CMakeLists.txt").read_text(), re.MULTILINE)
    assert project.group(1) == "NePhiExtension"
    assert [path.stem for path in repository.glob("*.s4ext")] == [path.stem for path in repository.glob("*.json")]
    assert (repository / f"{project.group(1)}.json").is_file()


def test_s4ext_repeats_cmake(s4ext, cmake):
    for key in ("homepage", "category", "contributors", "description", "iconurl", "screenshoturls", "depends"):
        assert s4ext[key] == cmake[key.upper()], key


def test_json_repeats_cmake_and_s4ext(description, cmake, s4ext):
    assert description["category"] == cmake["CATEGORY"]
    assert description["build_dependencies"] == cmake["DEPENDS"].split()
    assert description["scm_url"] == s4ext["scmurl"] == cmake["HOMEPAGE"]
    assert description["scm_revision"] == s4ext["scmrevision"]
    assert description["build_subdirectory"] == s4ext["build_subdirectory"]


def test_json_passes_the_rules_of_the_extensions_index(repository, description):
    """Slicer's schema of catalogue entries 1.0.2, and what the index's own checks add to it."""
    kinds = dict.fromkeys(("$schema", "category", "scm_url", "scm_revision", "scm_type", "build_subdirectory"), str)
    kinds |= {"build_dependencies": list, "dicom_support_rule": str, "enabled": bool, "tier": int}
    assert {"$schema", "category", "scm_url"} <= set(description) <= set(kinds)
    assert all(type(value) is kinds[name] for name, value in description.items())
    assert re.fullmatch(r"https://github\.com/\w+/\w+", description["scm_url"])
    assert "schema-v1.0.2.json" in description["$schema"]
    assert 1 <= description["tier"] <= 5
    assert description["scm_url"].rsplit("/", 1)[-1].startswith("Slicer")
    assert b"\r" not in (repository / "NePhiExtension.json").read_bytes()


def test_pictures_that_the_catalogue_shows_are_in_the_repository(repository, cmake):
    base = cmake["HOMEPAGE"].replace("https://github.com/", RAW_FILES) + "/main/"
    for url in [cmake["ICONURL"], *cmake["SCREENSHOTURLS"].split()]:
        assert url.startswith(base)
        assert (repository / url.removeprefix(base)).is_file(), f"{url} shows nothing"


def test_icon_is_a_png_of_128_pixels(module):
    header = (module / "Resources/Icons/NePhiRegistration.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (128, 128)


def test_package_asks_for_three_things_at_run_time(pyproject):
    names = {re.match(r"[A-Za-z]+", asked).group() for asked in pyproject["project"]["dependencies"]}
    assert names == {"torch", "numpy", "SimpleITK"}


def test_package_takes_the_version_and_homepage_from_their_one_place(pyproject, cmake):
    assert pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "NePhiCore.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", NePhiCore.__version__)
    assert pyproject["project"]["urls"]["Homepage"] == cmake["HOMEPAGE"]


def test_the_version_is_written_in_one_place(repository, module):
    """What else needs it reads it there; records of what was measured with which version are another matter."""
    files = [repository / name for name in ("README.md", "pyproject.toml", "CMakeLists.txt", "Makefile")]
    files += [*repository.glob("NePhiExtension.*"), *repository.glob("offline_kit/*"), *module.glob("*.*")]
    files += [
        path for name in ("NePhiBatch", "NePhiCore", "NePhiRegistrationLib") for path in module.glob(f"{name}/*.py")
    ]
    named = [path for path in files if path.is_file() and NePhiCore.__version__ in path.read_text(encoding="utf-8")]
    assert named == [module / "NePhiCore/__init__.py"]


def test_wheel_carries_weights_and_page_where_they_are_looked_for(repository, pyproject):
    folders = pyproject["tool"]["setuptools"]["package-dir"]
    asked = {"NePhiBatch", "NePhiBatch.page", "NePhiCore", "NePhiCore.weights"}
    assert set(pyproject["tool"]["setuptools"]["packages"]) == set(folders) == asked
    assert (repository / folders["NePhiCore"]).samefile(Path(NePhiCore.__file__).parent)
    assert (repository / folders["NePhiBatch"]).samefile(Path(NePhiBatch.__file__).parent)
    assert (repository / folders["NePhiBatch.page"]).samefile(repository / "NePhiRegistration/Resources/Report")
    assert (repository / folders["NePhiCore.weights"]).samefile(repository / "NePhiRegistration/Resources/Models")


def test_tests_need_what_a_cluster_needs(pyproject):
    extras = pyproject["project"]["optional-dependencies"]
    assert {*extras["cluster"]} <= {*extras["test"]}


def test_licence_is_apache_2(repository, pyproject):
    assert pyproject["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (repository / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("file", "line", "is_allowed"),
    [
        ("NePhiCore/any.py", "import torch", True),
        ("NePhiCore/any.py", "import slicer", False),
        ("NePhiCore/any.py", "from vtk.util import numpy_support", False),
        ("NePhiCore/any.py", "import qt", False),
        ("NePhiCore/any.py", "import ctk", False),
        ("NePhiBatch/any.py", "import slicer", False),
        ("Resources/Scripts/any.py", "import slicer", True),
        ("NePhiRegistrationLib/any.py", "import slicer", True),
        ("NePhiRegistrationLib/any.py", "import torch.nn", False),
        ("NePhiRegistration.py", "import slicer", True),
        ("NePhiRegistration.py", "import torch", False),
    ],
)
def test_linter_guards_the_boundary_between_slicer_and_torch(module, file, line, is_allowed):
    # A function around it shows that the whole package is meant, not only its module level; the shell's ban is on that.
    source = f"{line}\n" if file == "NePhiRegistration.py" else f"def use():\n    {line}\n"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", str(module / file), "-"]
    checked = subprocess.run([*command, "--ignore", "F401"], input=source, capture_output=True, text=True)
    assert checked.returncode == (0 if is_allowed else 1), checked.stdout + checked.stderr
    assert is_allowed or "TID25" in checked.stdout
