"""docs/batch.md says what is so: columns, options, files, exit codes."""

import re

import pytest

from NePhiBatch.batch_arguments import parse_script_arguments
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
