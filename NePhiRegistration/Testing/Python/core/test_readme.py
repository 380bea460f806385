"""README.md says what is so: options, defaults, exit codes, the example in Python."""

import re

import pytest
import SimpleITK as sitk
from command_cases import files_in, quick_registration, write_pair

from NePhiCore import errors
from NePhiCore.cli import main
from NePhiCore.image_io import read_mask
from NePhiCore.settings import settings_for


@pytest.fixture(scope="module")
def readme(repository) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def rows_of(readme: str, command: str) -> dict[str, str]:
    """What the table of a command's options says of each."""
    (section,) = re.findall(rf"^## `nephi {command} .*?(?=^## )", readme, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\| `(--.+?)` \| (.+) \|$", section.replace("\\|", "/"), re.MULTILINE)
    return {name: text for names, text in found for name in re.findall(r"--[a-z-]+", names)}


@pytest.fixture(scope="module")
def rows(readme) -> dict[str, str]:
    return rows_of(readme, "register")


def options_of(command: str, capsys) -> set[str]:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return set(re.findall(r"(?<!\w)--[a-z-]+", capsys.readouterr().out)) - {"--help"}


def test_the_table_lists_the_options_of_the_command_and_no_others(rows, capsys):
    options = options_of("register", capsys)
    assert len(options) > 15
    assert set(rows) == options


def test_evaluate_has_the_options_of_its_table_and_some_of_register(readme, rows, capsys):
    own, options = set(rows_of(readme, "evaluate")), options_of("evaluate", capsys)
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


def test_the_exit_codes_are_those_of_the_errors(readme):
    said = " ".join(readme.split())
    assert f"{errors.NePhiError.exit_code} an input, setting or output that cannot be used" in said
    assert errors.DeviceMemoryError.exit_code == errors.OptimisationDivergedError.exit_code
    assert f"{errors.DeviceMemoryError.exit_code} out of memory or a diverged optimisation" in said
    assert f"{errors.RegistrationCancelled.exit_code} an interrupt" in said


def test_the_example_in_python_runs(readme, tmp_path, monkeypatch):
    pair = write_pair(tmp_path)
    for name, original in (("exhale", "fixed"), ("inhale", "moving")):
        (pair / f"{original}.nii.gz").rename(pair / f"{name}.nii.gz")
    monkeypatch.chdir(pair)
    # The tiny pair shows no lungs that could be found, and an untrained model stands in for the shipped one.
    lungs = {v: f"{v}_mask.nii.gz" for v in ("fixed", "moving")}
    monkeypatch.setattr("NePhiCore.registration.find_lungs", lambda v: read_mask(lungs[v.name], v.geometry))
    monkeypatch.setattr("NePhiCore.registration.default_model_path", lambda: pair / "small.pt")
    example, _in_slicer = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert example.count('"balanced"') == 1
    before = set(files_in(pair))
    with quick_registration():
        exec(example.replace('"balanced"', '"balanced", iterations=2'), {})
    assert set(files_in(pair)) - before == {"exhale_to_inhale.h5"}
    assert isinstance(sitk.ReadTransform("exhale_to_inhale.h5"), sitk.DisplacementFieldTransform)
