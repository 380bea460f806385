"""docs/method.md names files and functions that are there, every equation, and numbers that are so."""

import ast
import re

import markdown_reading as markdown
import pytest

from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.direction import DIFFERENCE_STEP, SMALLEST_DETERMINANT
from NePhiCore.model_store import default_model_path
from NePhiCore.preprocessing import to_cube
from NePhiCore.scales import SCALES
from NePhiCore.settings import settings_for

REFERENCE = re.compile(r"`([\w/]+\.py)(?:::([\w.]+))?`")


@pytest.fixture(scope="module")
def document(repository) -> str:
    return (repository / "docs/method.md").read_text(encoding="utf-8")


def names_in(body: list[ast.stmt], before: str = "") -> set[str]:
    """Functions, classes, their methods and the assigned names of a module."""
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(before + node.name)
        if isinstance(node, ast.ClassDef):
            names |= names_in(node.body, f"{before}{node.name}.")
        if isinstance(node, ast.Assign):
            names |= {before + target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_every_file_and_function_that_is_named_is_there(repository, document):
    references = REFERENCE.findall(document)
    assert len(references) > 40
    for file, name in references:
        path = repository / file if "/" in file else repository / "NePhiRegistration/NePhiCore" / file
        assert path.is_file(), file
        if name:
            assert name in names_in(ast.parse(path.read_text(encoding="utf-8")).body), f"{file}::{name}"


def test_every_equation_has_a_row_that_names_a_function(document):
    rows = markdown.tables(markdown.section(document, "Equation by equation"))[0][1:]
    told = set()
    for row in rows:
        assert any(name for _, name in REFERENCE.findall(row[2])), row[0]
        first, last = re.fullmatch(r"eq\. (\d+)(?: to (\d+))?", row[0]).groups() if "eq." in row[0] else (0, 0)
        told |= set(range(int(first), int(last or first) + 1))
    assert told >= set(range(1, 11))
    assert {"app. A.1", "app. A.2"} <= {row[0] for row in rows}


def test_our_column_of_numbers_is_that_of_the_shipped_model_and_the_settings(document):
    loaded, usual = load_checkpoint(default_model_path()).model, settings_for("balanced")
    config = loaded.config
    networks = sum(weight.numel() for weight in loaded.coordinate_parameters())
    encoder = sum(weight.numel() for weight in loaded.encoder.parameters())
    low, high = to_cube.__defaults__[0]
    spacings = list(dict.fromkeys(scale.spacing_mm for scale in SCALES))
    expected = {
        "width of the coordinate networks": f"{config.width}",
        "hidden layers": f"{config.layers}",
        "Fourier frequencies, scale": f"{config.frequencies}, {config.frequency_scale:g}",
        "code, global + local channels": f"{config.global_channels} + {config.local_channels}",
        "samples a side of the local code": f"{config.local_size}",
        "weights of both coordinate networks": f"{networks / 1e6:.2f} million",
        "weights of the encoder": f"{encoder / 1e6:.2f} million",
        "lambda_1": "{:g}, at the end {:g}".format(*(usual.regularity_weight * SCALES[n].regularity for n in (0, -1))),
        "lambda_2": f"{usual.prior_weight:g}",
        "points of the similarity, each step": f"{usual.similarity_sampling_ratio:g} of the lungs' voxels",
        "points of the regularity, each step": f"{usual.regularity_sampling_ratio:g} of the lungs' voxels",
        "HU window": f"{low:g} to {high:g}",
        "image": "{:g} mm, then {:g} mm; lungs with a soft edge".format(*spacings),
    }
    told = {name: ours for name, _, ours in markdown.tables(markdown.section(document, "In numbers"))[0][1:]}
    assert {name: told.get(name) for name in expected} == expected


def test_its_steps_and_limits_are_those_of_the_optimisation(document):
    said = " ".join(document.split())
    assert f"Finite differences of {DIFFERENCE_STEP:g} cube units" in said
    assert f"det J falls below {SMALLEST_DETERMINANT:g}" in said
