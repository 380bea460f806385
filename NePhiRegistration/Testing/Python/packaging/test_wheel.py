"""`python -m build` makes a wheel that registers the sample in an environment of its own."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from installations import LIBRARIES, Installation, check_sample_is_registered

import NePhiCore
from offline_kit.own_wheel import build_wheel

PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> Path:
    return build_wheel(repository, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """An empty environment with the wheel; what it depends on is lent from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    python = folder / PROGRAMS / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    installed = subprocess.run(install, capture_output=True, text=True, timeout=120)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    (packages,) = {path.parent for path in folder.rglob("NePhiCore")}
    # A .pth file that names a folder adds that folder, but reads none of the .pth files in it.
    (packages / "lent.pth").write_text(f"{LIBRARIES}\n", encoding="utf-8")
    return folder


def test_it_is_named_by_the_version_of_the_code(wheel):
    assert wheel.name == f"nephi_registration-{NePhiCore.__version__}-py3-none-any.whl"


def test_it_holds_every_module_the_weights_the_page_and_the_licence(repository, wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    module = repository / "NePhiRegistration"
    for package in ("NePhiCore", "NePhiBatch"):
        assert {f"{package}/{path.name}" for path in (module / package).glob("*.py")} <= names
    for folder, place in (("Models", "NePhiCore/weights"), ("Report", "NePhiBatch/page")):
        assert {f"{place}/{path.name}" for path in (module / "Resources" / folder).iterdir()} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("Testing" in name or name.startswith(("training", "benchmarks")) for name in names)


def test_the_environment_registers_the_sample(environment, tmp_path):
    python = environment / PROGRAMS / "python"
    (packages,) = {path.parent for path in environment.rglob("NePhiCore")}
    check_sample_is_registered(Installation(packages, (str(python), "-I")), tmp_path)


def test_the_command_is_there(environment):
    told = subprocess.run([environment / PROGRAMS / "nephi", "--version"], capture_output=True, text=True, timeout=120)
    assert NePhiCore.__version__ in told.stdout
