"""Commands as the documents give them, run: in small, but word for word."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import markdown_reading as markdown
from batch.batch_cases import QUICK_PROGRAM, statuses, write_cohort
from batch.script_cases import slicer_with
from core import dirlab_folders
from core.command_cases import own_environment, quick_registration, run, write_pair

import offline_kit.__main__ as kit_program
from NePhiCore import demo_command
from NePhiCore.image_io import read_mask
from NePhiCore.phantom import breathing_phantom

REPOSITORY = Path(__file__).resolve().parents[4]
DOCUMENTS = ("README.md", "docs/command_line.md", "docs/coordinates.md", "docs/faq.md", "docs/offline.md")
QUICK = "--preset fast --grid-spacing 8 --device cpu --model small.pt"


def commands() -> list[str]:
    """Every command between fences, once; what the shell would leave out is left out."""
    found = []
    for name in DOCUMENTS:
        for language, text in markdown.code_blocks((REPOSITORY / name).read_text(encoding="utf-8")):
            lines = text.replace("\\\n", " ").splitlines() if language in ("", "sh") else []
            found += [" ".join(re.sub(r"\s+# .*", "", line).split()) for line in lines]
    return list(dict.fromkeys(line for line in found if line))


def python_examples(name: str) -> list[str]:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    return [block.text for block in markdown.code_blocks(text) if block.language == "python"]


def write_breaths(folder: Path, patch) -> None:
    """exhale.nii.gz and inhale.nii.gz; lungs too small to be found are read, an untrained model is the shipped one."""
    pair = write_pair(folder)
    for name, original in (("exhale", "fixed"), ("inhale", "moving")):
        (pair / f"{original}.nii.gz").rename(pair / f"{name}.nii.gz")

    def lungs_of(volume):
        side = {"exhale": "fixed", "inhale": "moving"}.get(volume.name.split(".")[0], volume.name)
        return read_mask(pair / f"{side}_mask.nii.gz", volume.geometry)

    patch.setattr("NePhiCore.registration.find_lungs", lungs_of)
    patch.setattr("NePhiCore.registration.default_model_path", lambda: pair / "small.pt")
    patch.setattr("NePhiCore.model_store.default_model_path", lambda: pair / "small.pt")
    patch.chdir(pair)


def run_register(command: str, folder: Path, patch) -> None:
    write_breaths(folder, patch)
    with quick_registration():
        finished = run([*shlex.split(command)[1:], "--iterations=2"])
    assert finished.code == 0, finished.err
    for file in re.findall(r"--(?:transform|warped|report|overview) (\S+)", command):
        assert (folder / file).stat().st_size > 0, file


def run_evaluate(command: str, folder: Path, patch) -> None:
    dirlab_folders.coarse_sizes(patch, 2)
    source, output = re.search(r"evaluate (\S+) --output (\S+)", command).groups()
    dirlab_folders.write_copdgene_case(folder / source, 2)
    write_pair(folder)
    patch.chdir(folder)
    with quick_registration():
        finished = run([*shlex.split(command)[1:], "--iterations=0", *shlex.split(QUICK)[2:]])
    assert finished.code == 0, finished.err
    assert {"results.csv", "results.png"} <= {path.name for path in (folder / output).iterdir()}


def run_batch(command: str, folder: Path, patch) -> None:
    write_cohort(folder, ["A"])
    quick = [sys.executable, str(QUICK_PROGRAM), *shlex.split(command)[1:], *shlex.split(QUICK)]
    done = subprocess.run(quick, cwd=folder, env=own_environment(), capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stderr
    assert statuses(folder / "results") == {"A": "done"}


def run_in_slicer(command: str, folder: Path, patch) -> None:
    """Slicer's own options first, then the script, then its arguments; `[options]` stands for more of them."""
    written = shlex.split(command.replace(" [options]", ""))
    assert written[:4] == ["Slicer", "--no-main-window", "--no-splash", "--python-script"]
    script, dashes, *arguments = written[4:]
    assert dashes == "--"
    write_cohort(folder, ["A"])
    shipped = REPOSITORY / "NePhiRegistration/Resources/Scripts" / script
    # The search for matches is not left out here: it takes some seconds.
    with slicer_with(shipped, [*arguments, *shlex.split(QUICK)], folder=folder) as process:
        _, said = process.communicate(timeout=290)
    assert process.returncode == 0, said
    assert statuses(folder / "results") == {"A": "done"}


def run_demo(command: str, folder: Path, patch) -> None:
    phantom = breathing_phantom((54, 48, 64), 6.0)
    patch.setattr("NePhiCore.phantom.breathing_phantom", lambda seed: phantom)
    patch.setattr(demo_command, "PRESET", "fast")
    patch.setattr("NePhiCore.model_store.default_model_path", lambda: folder / "small.pt")
    write_pair(folder)
    patch.chdir(folder)
    with quick_registration():
        finished = run(shlex.split(command)[1:])
    assert finished.code == 0, finished.err
    assert (folder / "demo-output/overview.png").is_file()


def run_pip_install(command: str, folder: Path, patch) -> None:
    """From a copy of the sources and without a network; what the extras ask for is here already."""
    sources = folder / "sources"
    left_out = shutil.ignore_patterns("Testing", "__pycache__", ".*")
    shutil.copytree(REPOSITORY / "NePhiRegistration", sources / "NePhiRegistration", ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, sources)
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder / "installed")]
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command), *offline],
        cwd=sources,
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stderr
    assert "does not provide the extra" not in done.stdout + done.stderr
    assert (folder / "installed/NePhiCore/weights/nephi-lung-1.pt").is_file()


def run_make(command: str, folder: Path, patch) -> None:
    """What make would do, not done: the targets have tests of their own, and a person's time is theirs."""
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    if command.startswith("make kit"):
        arguments = shlex.split(re.sub(r'^make kit(?: ARGS="(.*)")?$', r"\1", command))
        assert set(vars(kit_program.parsed(arguments))) > {"output", "python", "platform"}


def run_from_kit(command: str, folder: Path, patch) -> None:
    """The kit's own words, which the tests of the kit run."""
    words = (REPOSITORY / "offline_kit/HOWTO.txt").read_text(encoding="utf-8")
    assert command in [line.strip() for line in words.splitlines()]


RUNNERS: dict[str, Callable] = {
    r"nephi register ": run_register,
    r"nephi evaluate ": run_evaluate,
    r"nephi batch ": run_batch,
    r"Slicer ": run_in_slicer,
    r"nephi/bin/nephi demo ": run_demo,
    r"pip install ": run_pip_install,
    r"make ": run_make,
    r"python verify\.py|python -m venv |nephi/bin/python -m pip ": run_from_kit,
}


def runner_of(command: str) -> Callable:
    (runner,) = (runner for pattern, runner in RUNNERS.items() if re.match(pattern, command))
    return runner
