"""What docs/security.md promises: no network, no shell, no code out of files, private folders, nobody's name."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from core.command_cases import files_in, own_environment, quick_registration, register_arguments, run, write_pair

import NePhiCore
from NePhiCore.image_io import read_volume

PATIENT = "DOE^JANE"
PRODUCT = [
    *Path(NePhiCore.__file__).parents[1].glob("NePhi*/**/*.py"),
    *Path(NePhiCore.__file__).parents[1].glob("Resources/**/*.py"),
    Path(NePhiCore.__file__).parents[1] / "NePhiRegistration.py",
]
CALLS_NEVER_MADE = {
    *("eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "yaml.load", "__import__"),
}
MODULES_NEVER_IMPORTED = {
    "urllib",
    "http",
    "requests",
    "ftplib",
    "smtplib",
    "telnetlib",
    "xmlrpc",
    "webbrowser",
    "asyncio",
}

# Ends the process where anything in it, Python's own libraries included, begins to use the network.
NO_NETWORK = """
import os, socket, sys
def watch(event, arguments):
    is_internet = event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6)
    names = ("connect", "bind", "getaddrinfo", "gethostbyname", "gethostbyaddr", "sendto")
    if is_internet or event in [f"socket.{name}" for name in names]:
        os.write(2, f"network: {event} {arguments[1:]}".encode())
        os._exit(77)
sys.addaudithook(watch)
from NePhiCore.model import NePhiModel
NePhiModel.encode = lambda self, *images: (self.empty_code(), None)
"""
REGISTER = NO_NETWORK + "from NePhiCore.cli import main; sys.exit(main(sys.argv[1:]))"
IMPORT_ALL = (
    NO_NETWORK
    + """
import importlib, pkgutil
import NePhiBatch, NePhiCore
for package in (NePhiBatch, NePhiCore):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
"""
)
CONNECT = NO_NETWORK + "socket.create_connection(('127.0.0.1', 9))"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


def ended(program: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=200)


def test_the_watch_over_the_network_sees_a_connection():
    finished = ended(CONNECT)
    assert finished.returncode == 77 and "network: socket." in finished.stderr


def test_registering_opens_no_connection(pair, tmp_path):
    finished = ended(REGISTER, *register_arguments(pair, tmp_path))
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "transform.h5").exists()


def test_importing_every_module_opens_no_connection():
    finished = ended(IMPORT_ALL)
    assert finished.returncode == 0, finished.stderr


def test_a_batch_with_one_worker_opens_no_connection(pair, tmp_path):
    table = ["case,fixed,moving,fixed_mask,moving_mask"]
    table += [
        "P1," + ",".join(str(pair / f"{name}.nii.gz") for name in ("fixed", "moving", "fixed_mask", "moving_mask"))
    ]
    (tmp_path / "cohort.csv").write_text("\n".join(table))
    method = ["--model", pair / "small.pt", "--preset", "fast", "--grid-spacing", "8", "--device", "cpu"]
    finished = ended(REGISTER, "batch", tmp_path / "cohort.csv", "--output", tmp_path / "out", *method)
    assert finished.returncode != 77 and "network:" not in finished.stderr, finished.stderr
    assert (tmp_path / "out" / "cases" / "P1" / "transform.h5").exists(), finished.stderr


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def complaints(tree: ast.Module) -> list[str]:
    """What is never done, wherever a file does it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            options = {one.arg: ast.unparse(one.value) for one in node.keywords}
            called = name_of(node.func)
            unsafe = {"shell": "True", "weights_only": "False", "allow_pickle": "True"}
            found += [f"{called} with {key}={value}" for key, value in unsafe.items() if options.get(key) == value]
            needs = {"torch.load": "weights_only", "np.load": "allow_pickle"}.get(called)
            found += [called] * (called in CALLS_NEVER_MADE or bool(needs and needs not in options))
        elif isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name.split(".")[0] in MODULES_NEVER_IMPORTED]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [node.module] * (node.module.split(".")[0] in MODULES_NEVER_IMPORTED)
    return found


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_no_shell_no_code_out_of_files_no_network_library(path):
    assert complaints(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "pickle.loads(b'')",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "import urllib.request",
        "from http import client",
    ],
)
def test_the_check_of_the_source_sees(line):
    assert complaints(ast.parse(line))


def with_a_name(path: Path) -> None:
    """Write an image again with the patient's name in its header, as converters of DICOM do."""
    image = sitk.ReadImage(str(path))
    for key in ("0010|0010", "PatientName", "0010|0020"):
        image.SetMetaData(key, PATIENT)
    sitk.WriteImage(image, str(path.with_suffix("").with_suffix(".nrrd")))
    assert PATIENT.encode() in path.with_suffix("").with_suffix(".nrrd").read_bytes()


def test_no_output_says_who_the_patient_is_or_where_the_files_lay(pair, tmp_path):
    folder = tmp_path / PATIENT
    folder.mkdir()
    for name in ("fixed", "moving", "fixed_mask", "moving_mask", "small"):
        for path in pair.glob(f"{name}.*"):
            (folder / path.name).write_bytes(path.read_bytes())
    for name in ("fixed", "moving"):
        with_a_name(folder / f"{name}.nii.gz")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    more = {"warped": outputs / "warped.nrrd", "jacobian": outputs / "j.nii.gz", "inverse_transform": outputs / "i.h5"}
    more |= {"fixed": folder / "fixed.nrrd", "moving": folder / "moving.nrrd", "overview": outputs / "o.png"}
    with quick_registration():
        finished = run(register_arguments(folder, outputs, **more))
    assert finished.code == 0, finished
    assert len(files_in(outputs)) == 6
    for name, content in files_in(outputs).items():
        assert PATIENT.encode() not in content and str(tmp_path).encode() not in content, name
    assert sitk.ReadImage(str(outputs / "warped.nrrd")).GetMetaDataKeys() == () or all(
        "atient" not in key and "0010" not in key
        for key in sitk.ReadImage(str(outputs / "warped.nrrd")).GetMetaDataKeys()
    )
    assert json.loads((outputs / "report.json").read_text(encoding="utf-8"))["inputs"]["fixed"] == "fixed.nrrd"
    assert PATIENT not in finished.out and str(tmp_path) not in finished.out


def test_names_of_files_give_the_terminal_no_commands(pair, tmp_path):
    finished = run(register_arguments(pair, tmp_path, fixed=tmp_path / "a\x1b[2J\x07‮b.nii.gz"))
    assert finished.code == 2
    assert finished.complaint.isprintable() and "\\x1b[2J" in finished.complaint


@pytest.mark.skipif(os.name == "nt", reason="NOT TESTED HERE: Windows has no modes of files")
def test_folders_for_jobs_are_for_their_user_alone(repository):
    """Python's mkdtemp makes them so; this sees that nothing else makes them, and none is given another mode."""
    source = (repository / "NePhiRegistration/NePhiRegistrationLib/registration_run.py").read_text(encoding="utf-8")
    assert "tempfile.mkdtemp(" in source
    for path in PRODUCT:
        called = {
            name_of(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not called & {"os.chmod", "os.umask", "tempfile.mktemp"}, path


def test_reading_leaves_the_file_as_it_was(pair):
    before = {path.name: (path.read_bytes(), os.stat(path).st_mtime_ns) for path in pair.iterdir()}
    assert np.isfinite(read_volume(pair / "fixed.nii.gz").hu).all()
    assert before == {path.name: (path.read_bytes(), os.stat(path).st_mtime_ns) for path in pair.iterdir()}
