"""Every command and every example of the documents runs as it stands there."""

import command_runs
import numpy as np
import pytest
import SimpleITK as sitk
from core.command_cases import SHIFT_LPS_MM, quick_registration, register_arguments, run, write_pair


@pytest.mark.parametrize("command", command_runs.commands())
def test_a_command_runs(command, tmp_path, monkeypatch):
    command_runs.runner_of(command)(command, tmp_path, monkeypatch)


def test_the_commands_that_a_newcomer_needs_are_among_them():
    found = command_runs.commands()
    assert len(found) > 12
    assert {"make demo", "make test", "make kit", "pip install ."} <= {*found}
    for start in ("nephi register", "nephi evaluate", "nephi batch"):
        assert any(command.startswith(start) for command in found), start


def test_the_example_in_python_runs(tmp_path, monkeypatch):
    command_runs.write_breaths(tmp_path, monkeypatch)
    (example,) = (text for text in command_runs.python_examples("README.md") if "slicer" not in text)
    assert example.count('"balanced"') == 1
    before = {path.name for path in tmp_path.iterdir()}
    with quick_registration():
        exec(example.replace('"balanced"', '"balanced", iterations=2'), {})
    assert {path.name for path in tmp_path.iterdir()} - before == {"exhale_to_inhale.h5"}
    assert isinstance(sitk.ReadTransform("exhale_to_inhale.h5"), sitk.DisplacementFieldTransform)


def test_the_example_with_simpleitk_warps_and_maps(tmp_path, monkeypatch):
    pair = write_pair(tmp_path)
    with quick_registration():
        assert run(register_arguments(pair, pair)).code == 0
    monkeypatch.chdir(pair)
    names = {}
    (example,) = command_runs.python_examples("docs/coordinates.md")
    inside = "(0.0, 10.0, 5.0)"
    exec(example.replace("(-90.0, 10.0, -50.0)", inside), names)
    np.testing.assert_allclose([names[axis] for axis in "xyz"], np.array([0.0, 10.0, 5.0]) + SHIFT_LPS_MM, atol=1e-3)
    warped, fixed = (sitk.GetArrayFromImage(names[name]).astype(float) for name in ("warped", "fixed"))
    np.testing.assert_allclose(warped[6:-6, 6:-6, 6:-6], fixed[6:-6, 6:-6, 6:-6], atol=1)
