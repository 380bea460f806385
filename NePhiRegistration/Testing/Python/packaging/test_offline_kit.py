"""The offline kit, short of what needs the network: what lies in it, and that a spoilt one is recognised."""

import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import NePhiCore
import offline_kit.__main__ as kit_program
from offline_kit.slicer_module import module_files

PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    options = kit_program.parsed(["--output", str(folder)])
    path = folder / "nephi-kit"
    kit_program.make_kit(path, options, lambda wheel, wheels: (wheels / "other-1.0-py3-none-any.whl").touch())
    return path


def verified(kit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", kit / "verify.py"], capture_output=True, text=True)


def test_it_holds_wheels_module_weights_and_words(repository, kit):
    names = {path.name for path in kit.iterdir()}
    assert names == {"LICENSE", "NePhiRegistration", "README.txt", "SHA256SUMS", "verify.py", "wheels"}
    own = f"nephi_registration-{NePhiCore.__version__}-py3-none-any.whl"
    assert {path.name for path in (kit / "wheels").iterdir()} == {own, "other-1.0-py3-none-any.whl"}
    assert all((kit / "NePhiRegistration" / file).is_file() for file in module_files(repository))
    assert list((kit / "NePhiRegistration/Resources/Models").glob("*.pt"))


def test_a_whole_kit_is_found_whole(kit):
    done = verified(kit)
    assert (done.returncode, done.stdout) == (0, "All files are as they were made.\n"), done.stderr


@pytest.mark.parametrize(
    ("file", "spoil", "said"),
    [
        ("LICENSE", lambda path: path.write_bytes(path.read_bytes() + b" "), "LICENSE is damaged"),
        ("wheels/other-1.0-py3-none-any.whl", Path.unlink, "wheels/other-1.0-py3-none-any.whl is missing"),
        ("wheels/more.whl", Path.touch, "wheels/more.whl is not in the list"),
    ],
)
def test_a_spoilt_kit_is_recognised(kit, tmp_path, file, spoil, said):
    copy = tmp_path / "kit"
    shutil.copytree(kit, copy)
    spoil(copy / file)
    done = verified(copy)
    assert (done.returncode, done.stdout) == (1, f"{said}\n")


def test_its_list_is_one_that_sha256sum_reads(kit):
    for line in (kit / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[0-9a-f]{64}  [\w./-]+", line)


def test_the_command_of_its_words_installs_it(kit, tmp_path):
    """As the words say, but without the dependencies, which this kit lacks."""
    words = (kit / "README.txt").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ +nephi/bin/python -m pip (install .*)$", words, re.MULTILINE)
    venv.create(tmp_path / "nephi", with_pip=False, symlinks=sys.platform != "win32")
    python = tmp_path / "nephi" / PROGRAMS / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), *shlex.split(command), "--no-deps"]
    done = subprocess.run(pip, cwd=kit, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "nephi").rglob("nephi-lung-1.pt"))


def test_pip_is_asked_for_wheels_of_the_other_computer(tmp_path):
    options = kit_program.parsed(["--python", "3.12", "--platform", "win_amd64", "--", "--index-url", "https://x.org"])
    command = kit_program.download_command(tmp_path / "own.whl", tmp_path, options)
    said = " ".join(command)
    assert f"{tmp_path / 'own.whl'}[plot]" in command
    assert (
        "--only-binary :all:" in said and "--python-version 3.12 --platform win_amd64 --index-url https://x.org" in said
    )
    here = kit_program.download_command(tmp_path / "own.whl", tmp_path, kit_program.parsed([]))
    assert "--platform" not in here and "--python-version" not in here


def test_an_older_kit_is_never_overwritten(tmp_path):
    options = ["--output", str(tmp_path), "--platform", "any"]
    (tmp_path / f"nephi-{NePhiCore.__version__}-python{kit_program.THIS_PYTHON}-any").mkdir()
    with pytest.raises(SystemExit, match="is there already"):
        kit_program.main(options)
