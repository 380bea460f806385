"""The command on a coarse phantom, both ways, with a tiny random model."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import torch
from ablation_cases import a_model, write_coarse_pair

import benchmarks.ablation.__main__ as command
import benchmarks.ablation.subjects as subjects_module
import NePhiCore.phantom as phantom_module
import NePhiCore.registration as registration_module
import NePhiCore.scales as scales_module
from benchmarks.ablation.subjects import Subject
from benchmarks.cases import find_pairs
from NePhiCore.checkpoint import load_checkpoint, save_checkpoint
from NePhiCore.displacement_field import map_points
from NePhiCore.image_io import read_volume
from NePhiCore.registration import register
from NePhiCore.settings import settings_for


@pytest.fixture(scope="module", autouse=True)
def a_coarse_world():
    """Voxels of 6 mm need no finer cubes."""
    wide = tuple(dataclasses.replace(s, spacing_mm=3 * s.spacing_mm) for s in scales_module.SCALES)
    with pytest.MonkeyPatch.context() as patch:
        for module in (registration_module, subjects_module):
            patch.setattr(module, "SEARCH_SIZE", 32)
        for module in (scales_module, subjects_module):
            patch.setattr(module, "SCALES", wide)
        patch.setattr(phantom_module, "build_anatomy", functools.lru_cache(1)(phantom_module.build_anatomy))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, a_coarse_world):
    """Folder of pairs a and b, of a model, and of nothing else."""
    folder = tmp_path_factory.mktemp("ablation")
    write_coarse_pair(folder / "pairs" / "a")
    write_coarse_pair(folder / "pairs" / "b", ("inhale", "exhale"))
    save_checkpoint(folder / "tiny.pt", a_model().model, {})
    return folder


@pytest.fixture(scope="module")
def rows(folder) -> list[dict]:
    """All rows of two studies, and once more to see that nothing is repeated."""
    arguments = ["--pairs", str(folder / "pairs"), "--out", str(folder / "out"), "--quick", "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "default_model_path", lambda: folder / "tiny.pt")
        for _ in range(2):
            assert command.main([*arguments, "--only", "modes", "interpolation"]) == 0
    return [json.loads(line) for line in (folder / "out" / command.RESULTS).read_text().splitlines()]


def test_every_variant_has_one_row_a_pair(rows):
    keys = [(row["study"], row["variant"], row["pair"]) for row in rows]
    assert len(keys) == len(set(keys)) == 2 * (4 + 5)
    assert not any("failed" in row["figures"] for row in rows)
    assert (rows[0]["variant"], rows[0]["pair"], rows[-1]["pair"]) == ("encoder only", "a", "b")


def test_figures_are_those_of_a_registration_by_the_product(folder, rows):
    """The encoder's row of pair b against the product's own way of measuring."""
    pair = find_pairs(folder / "pairs" / "b")[0]
    settings = settings_for("fast", device="cpu", grid_spacing_mm=10.0)
    result = register(
        read_volume(pair.fixed), read_volume(pair.moving), settings, model=load_checkpoint(folder / "tiny.pt")
    )
    errors_mm = np.linalg.norm(map_points(result.fixed_to_moving, pair.fixed_landmarks) - pair.moving_landmarks, axis=1)
    row = next(row for row in rows if (row["variant"], row["pair"]) == ("encoder only", "b"))
    assert row["figures"]["tre_mean_mm"] == pytest.approx(errors_mm.mean(), rel=1e-4)
    assert row["figures"]["tre_max_mm"] == pytest.approx(errors_mm.max(), rel=1e-4)


def test_a_mixture_is_measured_for_folds_and_not_at_landmarks(rows):
    mixed = [row for row in rows if row["study"] == "interpolation"]
    assert {(row["pair"], row["start"]["to"]) for row in mixed} == {("a", "b"), ("b", "a")}
    assert all("tre_mean_mm" not in row["figures"] and "folds_one_sided_percent" in row["figures"] for row in mixed)
    smoothness = [row["figures"]["sd_log_j"] for row in mixed if row["pair"] == "a"]
    assert len(set(smoothness)) == len(smoothness)


def test_the_document_is_there(folder, rows):
    text = (folder / "out" / "ablation.md").read_text()
    assert "## Encoder, code and networks" in text and "## Chance" not in text and "Not run yet: " in text


def test_the_document_alone_is_made_from_the_rows_there_are(tmp_path, rows):
    (tmp_path / command.RESULTS).write_text(json.dumps(rows[0]) + "\n")
    assert command.main(["--report", "--out", str(tmp_path)]) == 0
    assert "encoder only" in (tmp_path / "ablation.md").read_text()
    assert len((tmp_path / command.RESULTS).read_text().splitlines()) == 1


def test_a_quick_run_stays_out_of_the_documents():
    assert command._options([]).out == command.ROOT / "docs"
    assert command._options(["--quick"]).out == command.ROOT / "build" / "ablation-quick"
    assert command._options(["--quick", "--out", "elsewhere"]).out.name == "elsewhere"


def test_a_mixture_lies_between_the_codes(folder):
    """All of the own code is the pair's own refined code; half of the way is the mean of both."""
    model, settings = a_model(), settings_for("balanced", device="cpu", iterations=4)
    a, b = (Subject(find_pairs(folder / "pairs" / name)[0], model, "cpu") for name in "ab")
    own, half, other = (a.between(b, share, settings).code for share in (0.0, 0.5, 1.0))
    own_of_b = b.between(a, 0.0, settings).code
    assert torch.equal(other.local_code, own_of_b.local_code)
    assert not torch.equal(own.local_code, a.encoded.code.local_code)
    torch.testing.assert_close(half.local_code, (own.local_code + other.local_code) / 2)
    torch.testing.assert_close(half.global_code, (own.global_code + other.global_code) / 2)


def test_points_are_counted_as_the_optimisation_counts_them(folder):
    subject = Subject(find_pairs(folder / "pairs" / "a")[0], a_model(), "cpu")
    pairs = scales_module.scaled_pairs(subject._cubes_at_spacing, "local_ncc")
    assert subject.lung_voxels == len(pairs[-1].fixed.candidates_norm) > 1000


def test_a_pair_is_encoded_once_and_a_scratch_start_is_a_matter_of_the_seed(folder, monkeypatch):
    model = a_model()
    encoded = []
    encode = model.model.encode
    monkeypatch.setattr(model.model, "encode", lambda *cubes: encoded.append(1) or encode(*cubes))
    subject = Subject(find_pairs(folder / "pairs" / "a")[0], model, "cpu")
    assert subject.encoded is subject.encoded and len(encoded) == 1
    first, again, other = (subject.scratch(5, seed) for seed in (0, 0, 1))
    assert first.matched is None and first.code.local_code.shape == (1, 8, 5, 5, 5) and not first.code.local_code.any()
    weights = [start.fixed_to_moving.synthesis[0].weight for start in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
