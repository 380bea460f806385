"""docs/batch.md says what is so: columns, options; and every command in it does what it says."""

import importlib
import re
import shlex

import pytest
from batch_cases import InlineWorkers, statuses, write_cohort
from core.command_cases import quick_registration, run

from NePhiBatch import batch_command
from NePhiBatch.batch_arguments import parse_script_arguments
from NePhiBatch.dask_clusters import slurm_options
from NePhiCore.cli import main
from NePhiCore.pair_list import FILE_COLUMNS


@pytest.fixture(scope="module")
def document(repository) -> str:
    return (repository / "docs/batch.md").read_text(encoding="utf-8")


def options_of(command, capsys) -> set[str]:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return set(re.findall(r"(?<!\w)--[a-z-]+", capsys.readouterr().out)) - {"--help"}


def section(document, name) -> str:
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)[1]


def test_the_table_lists_the_options_that_register_does_not_have(document, capsys):
    rows = re.findall(r"^\| (`--.+?) \|", section(document, "Options"), re.MULTILINE)
    told = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    own = options_of("batch", capsys)
    patterns = {f"--{name.replace('_', '-')}" for name in FILE_COLUMNS}
    assert told <= own
    assert own - told == own & options_of("register", capsys) - patterns


def test_the_table_lists_the_columns_of_a_manifest(document):
    rows = re.findall(r"^\| (`.+?`) \|", section(document, "Which pairs"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {"case", "inhale", *FILE_COLUMNS}


def test_the_script_takes_the_same_options(capsys):
    with pytest.raises(SystemExit):
        parse_script_arguments(["--help"])
    of_script = set(re.findall(r"(?<!\w)--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert of_script == options_of("batch", capsys) - {"--output"}


@pytest.fixture(scope="module")
def commands(document) -> list[str]:
    """Everything that stands as code on a line of its own or in a line."""
    blocks = re.findall(r"^```\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", document)
    return [" ".join(code.split()) for code in (*lines, *inline)]


def begins_with(words: str, commands) -> list[list[str]]:
    found = sorted({command for command in commands if command.startswith(words)})
    return [shlex.split(command) for command in found]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The files that the commands name, in the folder where they are given; and quick workers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch_command, "OneWorker", InlineWorkers)
    monkeypatch.setattr(batch_command, "OneProcess", InlineWorkers)
    write_cohort(tmp_path, ["A", "B"]).rename(tmp_path / "cohort.csv")
    for case in "AB":
        for name, role in (("exhale", "fixed"), ("inhale", "moving")):
            (tmp_path / case / f"{name}.nii.gz").symlink_to(tmp_path / case / f"{role}.nii.gz")
    with quick_registration():
        yield tmp_path


QUICKLY = ["--model", "small.pt", "--preset", "fast", "--grid-spacing", "8", "--device", "cpu"]
MASKS = ["--fixed-mask={case}/fixed_mask.nii.gz", "--moving-mask={case}/moving_mask.nii.gz"]


def test_every_nephi_command_runs_as_it_stands_there(commands, study):
    said = begins_with("nephi batch ", commands)
    assert len(said) == 2 and begins_with("nephi report ", commands) == [["nephi", "report", "results"]]
    for _, *arguments in said:
        if is_folder := arguments[1] == "/data/copd":
            arguments[1] = str(study)
        results = arguments[arguments.index("--output") + 1] = arguments[-1] + ("_of_folder" if is_folder else "")
        ended = run([*arguments, *QUICKLY, *(MASKS if is_folder else [])])
        assert (ended.code, statuses(study / results)) == (0, {"A": "done", "B": "done"}), ended.err
    again = run([*said[-1][1:], *QUICKLY])
    assert "2 were done before" in again.out
    assert run(["report", "results"]).code == 0


def test_the_command_for_slicer_is_the_one_that_is_tested(commands):
    said = begins_with("Slicer ", commands)
    assert said
    for command in said:
        slicer, _, script = " ".join(command).partition(" -- ")
        assert slicer == "Slicer --no-main-window --no-splash --python-script NePhiBatch.py"
        assert parse_script_arguments(script.removesuffix(" [options]").split()).output.name == "results"


def test_options_for_clusters_are_taken_as_they_stand_there(commands):
    for start in ("--slurm ", "--slurm-option ", "--scheduler ", "--workers ", "--time-limit "):
        for arguments in begins_with(start, commands):
            if arguments[-1] in ("N", "ADDRESS", "KEY=VALUE", "MINUTES"):
                continue
            jobs = [] if "--slurm" in arguments or start != "--slurm-option " else ["--slurm", "1"]
            options = parse_script_arguments(["cohort.csv", "results", *jobs, *arguments])
            assert slurm_options(options.slurm_option) or not options.slurm


def test_what_is_asked_of_others_is_there(commands, repository):
    from distributed.cli.dask_worker import main as dask_worker

    known = {option for parameter in dask_worker.params for option in parameter.opts}
    (worker,) = begins_with("dask worker ", commands)
    assert {word for word in worker if word.startswith("--")} <= known
    assert "\ncluster = [" in (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert begins_with("pip install", commands) == [["pip", "install", "nephi-registration[cluster]"]]


def test_what_measures_can_be_started(commands):
    said = begins_with("python -m ", commands)
    assert len(said) >= 3
    for _, _, module, *arguments in said:
        program = importlib.import_module(module)
        with pytest.raises(SystemExit) as ended:
            program.main([*arguments, "--help"])
        assert ended.value.code == 0
