"""The data set of real pairs: prepared once, drawn the same for the same random numbers, trained on."""

import csv

import pytest
import torch
from cohort_cases import MASKED, a_cohort, prepare_small, write_table
from training_cases import CONFIG, generators, train

import training.train
from NePhiCore.comparison import ComparedImage
from NePhiCore.errors import SettingsError
from NePhiCore.model import NePhiModel
from training import logbook
from training.cohort import Cohort, main, mirrored_image


@pytest.fixture(autouse=True)
def small_search(monkeypatch):
    prepare_small(monkeypatch)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return NePhiModel(CONFIG).encoder


@pytest.fixture(scope="module")
def table(tmp_path_factory, encoder):
    """Of two pairs, which lie prepared in the folder "cache" beside it."""
    with pytest.MonkeyPatch.context() as patch:
        prepare_small(patch)
        table = a_cohort(tmp_path_factory.mktemp("cohort"))
        Cohort(table, table.parent / "cache", 32).prepare(encoder)
    return table


def test_a_mirrored_image_is_read_at_mirrored_points():
    image = ComparedImage(torch.rand(1, 2, 5, 5, 5), torch.rand(10, 3), torch.ones(3))
    mirrored, points = mirrored_image(image), torch.rand(1, 7, 3)
    there = points * torch.tensor([1.0, 1, -1])
    assert torch.allclose(mirrored.read(there), image.read(points), atol=1e-6)
    assert torch.equal(mirrored.candidates_norm[:, 2], -image.candidates_norm[:, 2])


def test_pairs_are_prepared_once_and_are_items_of_a_data_set(table, encoder, capsys):
    cohort = Cohort(table, table.parent / "cache", 32)
    cohort.prepare(encoder)
    assert capsys.readouterr().out == "" and isinstance(cohort, torch.utils.data.Dataset)
    assert len(cohort) == 2 and cohort[1]["matches"].dtype == torch.float16


def test_processes_share_the_preparation(tmp_path, encoder):
    cohort = Cohort(a_cohort(tmp_path, count=3), tmp_path / "cache", 32)
    cohort.prepare(encoder, part=1, parts=2)
    assert [path.exists() for path in cohort.files] == [False, True, False]


def test_a_step_is_drawn_the_same_for_the_same_random_numbers(table):
    cohort = Cohort(table, table.parent / "cache", 32)
    first, again, other = (cohort.batch(0, generators(4, seed)) for seed in (0, 0, 9))
    assert torch.equal(first.matches, again.matches) and torch.equal(first.points[1], again.points[1])
    assert not torch.equal(first.points[0], other.points[0])
    assert first.points[0].shape == (4, 32, 3) and first.regularity_points[1].shape == (4, 8, 3)
    assert len(first.images) == 4 and first.matches.shape == (4, 16, 9, 9, 9)


def test_pairs_that_cannot_be_used_are_named_after_the_others_are_done(tmp_path, encoder):
    a_cohort(tmp_path, count=1)
    (tmp_path / "text.nii.gz").write_text("no image")
    good = "p0-fixed.nii.gz,p0-moving.nii.gz,p0-fixed-mask.nii.gz,p0-moving-mask.nii.gz"
    table = write_table(tmp_path, MASKED, "text.nii.gz,p0-moving.nii.gz,,p0-moving-mask.nii.gz", good)
    cohort = Cohort(table, tmp_path / "cache", 32)
    with pytest.raises(SettingsError, match=r"correct or delete their lines.\n.*text.nii.gz, .*p0-moving.nii.gz: "):
        cohort.prepare(encoder)
    assert [path.exists() for path in cohort.files] == [False, True]


def test_the_origin_is_a_hash_over_all_files(table):
    both, cache = Cohort(table, table.parent / "cache", 32), table.parent / "cache"
    one = Cohort(write_table(table.parent, *table.read_text().splitlines()[:2], name="one.csv"), cache, 32)
    assert both.origin()["pairs"] == 2 and one.origin()["pairs"] == 1
    assert both.origin()["sha256"] != one.origin()["sha256"]


def test_a_cohort_is_prepared_beforehand_by_a_command(tmp_path):
    main([str(a_cohort(tmp_path, count=1)), "--cache", str(tmp_path / "cache")])
    content = torch.load(next((tmp_path / "cache").glob("*.pt")), weights_only=True)
    assert content["matches"].shape == (16, 41, 41, 41)  # of the product's encoder


def test_training_lowers_the_loss_of_a_cohort_and_tells_its_hash(tmp_path, monkeypatch):
    """The content of the lungs lies 12 mm higher than their outline says."""
    monkeypatch.setattr(logbook, "REPORT_EVERY", 10)
    monkeypatch.setattr(training.train, "WARM_UP_STEPS", 1)
    table = a_cohort(tmp_path, count=1, inner_mm=12.0)
    options = "--cohort", table, "--synthetic-share", 0, "--steps", 150, "--rate", 0.002, "--precision", "float32"
    content = train(tmp_path / "run.pt", *options)
    assert content["stretches"][0]["sources"] == ["cohort"]
    assert len(content["stretches"][0]["data"]["cohort"]["sha256"]) == 64
    assert (tmp_path / "cohort.prepared").is_dir()
    with (tmp_path / "run.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["figure"] == "similarity loss"]
    assert len(rows) == 15 and float(rows[-1]["value"]) < 0.75 * float(rows[0]["value"])
