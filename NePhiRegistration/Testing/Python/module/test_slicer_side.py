"""What holds for the Slicer side as source: its table in docs/modules.md, and that it loads without torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scene_cases
import slicer

LIB = Path(__file__).resolve().parents[3] / "NePhiRegistrationLib"
FILES = sorted(path.stem for path in LIB.glob("*.py") if path.stem != "__init__")
BUILD_THE_PANEL = """
import sys
sys.modules["torch"] = None  # any import of it fails
import slicer_standin
slicer_standin.install()
import slicer
from slicer_standin.modules import load_module
load_module(sys.argv[1])
panel = slicer.modules.nephiregistration.widgetRepresentation()
panel.enter()
print(panel.self().ui.applyButton.text)
"""
QUICK = "preset='fast', device='cpu', grid_spacing_mm=8.0"


@pytest.fixture(scope="module")
def rows(repository) -> dict[str, list[str]]:
    """What each module offers, by the table."""
    text = (repository / "docs/modules.md").read_text(encoding="utf-8").split("## The Slicer module")[1]
    found = re.findall(r"^\| `(\w+)` \|[^|]+\|([^|]+)\|$", text, re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", offers) for module, offers in found}


def test_every_module_has_its_row(rows):
    assert sorted(rows) == FILES


@pytest.mark.parametrize("module", FILES)
def test_a_module_offers_what_is_said(rows, module):
    tree = ast.parse((LIB / f"{module}.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert rows[module]
    assert set(rows[module]) <= defined


def test_the_panel_is_built_where_torch_cannot_be_imported(repository):
    module_file = LIB.parent / "NePhiRegistration.py"
    python_path = str(repository / "NePhiRegistration/Testing/Python")
    command = [sys.executable, "-c", BUILD_THE_PANEL, str(module_file)]
    done = subprocess.run(command, env={"PYTHONPATH": python_path}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("Select a fixed volume")


def test_the_readmes_example_for_the_console_runs(repository, monkeypatch, capsys):
    readme = (repository / "README.md").read_text(encoding="utf-8")
    (example,) = (text for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "slicer" in text)
    slicer.mrmlScene.Clear(0)
    pair = scene_cases.add_pair()
    pair["fixedVolume"].SetName("exhale")
    pair["movingVolume"].SetName("inhale")
    # The tiny pair shows no lungs that could be found, and an untrained model stands in for the shipped one.
    monkeypatch.setattr("NePhiCore.registration.find_lungs", lambda volume: scene_cases.lungs() > 0)
    monkeypatch.setattr("NePhiCore.model_store.default_model_path", lambda: Path(scene_cases.small_model_file()))
    with scene_cases.without_search():
        exec(example.replace('getNode("inhale"))\n', f'getNode("inhale"), {QUICK})\n', 1), {"slicer": slicer})
    transform = pair["movingVolume"].GetParentTransformNode()
    assert transform.GetName() == "inhale to exhale"
    assert "mean" in capsys.readouterr().out
    slicer.mrmlScene.Clear(0)
