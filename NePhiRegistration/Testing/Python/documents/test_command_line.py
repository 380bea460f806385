"""docs/command_line.md says what is so: options, defaults, exit codes."""

import re

import pytest

from NePhiCore import errors
from NePhiCore.cli import main
from NePhiCore.settings import settings_for


@pytest.fixture(scope="module")
def document(repository) -> str:
    return (repository / "docs/command_line.md").read_text(encoding="utf-8")


def rows_of(document: str, command: str) -> dict[str, str]:
    """What the table of a command's options says of each."""
    (section,) = re.findall(rf"^## `nephi {command} .*?(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\| `(--.+?)` \| (.+) \|$", section.replace("\\|", "/"), re.MULTILINE)
    return {name: text for names, text in found for name in re.findall(r"--[a-z-]+", names)}


@pytest.fixture(scope="module")
def rows(document) -> dict[str, str]:
    return rows_of(document, "register")


def options_of(command: str, capsys) -> set[str]:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return set(re.findall(r"(?<!\w)--[a-z-]+", capsys.readouterr().out)) - {"--help"}


def test_the_table_lists_the_options_of_the_command_and_no_others(rows, capsys):
    options = options_of("register", capsys)
    assert len(options) > 15
    assert set(rows) == options


def test_evaluate_has_the_options_of_its_table_and_some_of_register(document, rows, capsys):
    own, options = set(rows_of(document, "evaluate")), options_of("evaluate", capsys)
    assert len(own) > 5
    assert own < options
    assert options - own < set(rows)


def test_the_defaults_are_those_of_the_settings(rows):
    balanced, accurate = settings_for("balanced"), settings_for("accurate")
    assert "`balanced` (default)" in rows["--preset"]
    assert f"default {balanced.iterations} (`balanced`), {accurate.iterations} (`accurate`)" in rows["--iterations"]
    assert rows["--similarity-sampling-ratio"].endswith(f"default {balanced.similarity_sampling_ratio:g}")
    assert rows["--regularity-sampling-ratio"].endswith(f"default {balanced.regularity_sampling_ratio:g}")
    assert rows["--grid-spacing"].endswith(f"default {balanced.grid_spacing_mm:g}")
    assert f"`{balanced.device}` (default)" in rows["--device"]
    assert f"default {balanced.seed};" in rows["--seed"]


def test_the_exit_codes_are_those_of_the_errors(document):
    said = " ".join(document.split())
    assert f"{errors.NePhiError.exit_code} an input, setting or output that cannot be used" in said
    assert errors.DeviceMemoryError.exit_code == errors.OptimisationDivergedError.exit_code
    assert f"{errors.DeviceMemoryError.exit_code} out of memory or a diverged optimisation" in said
    assert f"{errors.RegistrationCancelled.exit_code} an interrupt" in said
