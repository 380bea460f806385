"""The extension as Slicer builds it: it configures, installs every file, and what is installed works alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from installations import LIBRARIES, check_sample_is_registered, tree_alone

MACROS = Path(__file__).parent / "slicer_cmake"
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")
BUILD_THE_PANEL = """
import sys
sys.path.append(sys.argv[1])
import slicer_standin
slicer_standin.install()
import slicer
from slicer_standin.modules import load_module
load_module(sys.argv[2])
panel = slicer.modules.nephiregistration.widgetRepresentation()
panel.enter()
assert panel.self().ui.applyButton.text == "Select a fixed volume", panel.self().ui.applyButton.text
import NePhiCore, NePhiRegistrationLib.panel
assert f"Version {NePhiCore.__version__}," in slicer.modules.nephiregistration.helpText
print(NePhiCore.__file__, NePhiRegistrationLib.panel.__file__, sep="\\n")
"""


def run_cmake(*arguments) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory) -> Path:
    """The extension configured in `build` and installed in `installed`, from a copy of its sources."""
    if not shutil.which("cmake") or not (shutil.which("cc") or shutil.which("cl")):
        pytest.skip("NOT TESTED HERE: needs CMake and a C compiler, as Slicer's extension build does")
    folder = tmp_path_factory.mktemp("extension")
    sources = folder / "sources"
    made_here = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(repository / "NePhiRegistration", sources / "NePhiRegistration", ignore=made_here)
    shutil.copy(repository / "CMakeLists.txt", sources)
    options = ("-DBUILD_TESTING=ON", f"-DSlicer_DIR={MACROS}")
    run_cmake("cmake", "-S", sources, "-B", folder / "build", *options)
    run_cmake("cmake", "--install", folder / "build", "--prefix", folder / "installed")
    shutil.rmtree(sources)
    return folder


@pytest.fixture(scope="module")
def installed(built) -> Path:
    return built / "installed" / MODULES


def test_every_file_of_the_module_is_installed_and_nothing_else(repository, installed):
    module = repository / "NePhiRegistration"
    left_out = {"Testing", "__pycache__", "CMakeLists.txt", "ruff.toml"}

    def files_of(folder: Path) -> set[str]:
        relative = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        kept = (path for path in relative if not left_out & {*path.parts})
        return {path.as_posix() for path in kept if not any(part.startswith(".") for part in path.parts)}

    assert files_of(installed) == files_of(module)


def test_slicer_runs_every_test_of_the_module(repository, built):
    listed = run_cmake("ctest", "--test-dir", built / "build", "--show-only")
    tests = [path.stem for path in (repository / "NePhiRegistration/Testing/Python/module").glob("*Test.py")]
    assert len(tests) > 10
    for name in ("NePhiRegistration", *tests):
        assert f"py_{name}\n" in listed, name


def test_the_installed_tree_alone_registers_the_sample(installed, tmp_path):
    check_sample_is_registered(tree_alone(installed), tmp_path)


def test_the_installed_module_shows_its_panel(installed, tmp_path):
    standin = str(Path(__file__).parents[1])
    done = tree_alone(installed).run(BUILD_THE_PANEL, tmp_path, standin, str(installed / "NePhiRegistration.py"))
    for file in done.stdout.strip().splitlines()[-2:]:
        assert Path(file).is_relative_to(installed)


def test_the_installed_script_for_batches_says_what_it_takes(installed, tmp_path):
    script = installed / "Resources/Scripts/NePhiBatch.py"
    paths = f"import sys; sys.path.append({str(LIBRARIES)!r}); sys.argv = [{str(script)!r}, '--help']"
    code = f"{paths}; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--workers" in done.stdout


@pytest.mark.parametrize("spoilt", ["a file that is not there", "a word that Slicer does not know"])
def test_the_stand_in_refuses_what_slicer_refuses(built, tmp_path, spoilt):
    more = "SCRIPTS gone.py" if "file" in spoilt else "SCRIPT NePhiRegistration.py"
    lines = ["cmake_minimum_required(VERSION 3.16.3...3.19.7)", "project(X)", "find_package(Slicer REQUIRED)"]
    lines += ["include(${Slicer_USE_FILE})", f"slicerMacroBuildScriptedModule(NAME X {more})"]
    (tmp_path / "CMakeLists.txt").write_text("\n".join(lines))
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DSlicer_DIR={MACROS}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "slicerMacroBuildScriptedModule" in done.stderr
