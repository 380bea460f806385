"""A cohort's table and what is kept of a pair, on small files."""

import pytest
import torch
from cohort_cases import MASKED, a_cohort, prepare_small, write_table
from training_cases import CONFIG

from NePhiCore.comparison import ComparedImage
from NePhiCore.encoder import Encoder, matched_displacements
from NePhiCore.errors import InvalidVolumeError, NePhiError, SettingsError
from NePhiCore.model import NePhiModel
from training import cohort_files
from training.cohort_files import CohortPair, prepared, read_cohort
from training.provenance import sha256_of


def an_encoder() -> Encoder:
    torch.manual_seed(0)
    return NePhiModel(CONFIG).encoder


@pytest.fixture(autouse=True)
def small_search(monkeypatch):
    prepare_small(monkeypatch)


def test_paths_are_relative_to_the_table_and_masks_may_be_missing(tmp_path):
    (tmp_path / "scans").mkdir()
    for name in ("a.nii", "b.nii", "a-mask.nii"):
        (tmp_path / "scans" / name).touch()
    table = write_table(
        tmp_path, "fixed,moving,fixed_mask,moving_mask,site", "scans/a.nii,scans/b.nii,scans/a-mask.nii,,Rome"
    )
    scans = tmp_path / "scans"
    assert read_cohort(table) == [CohortPair(scans / "a.nii", scans / "b.nii", scans / "a-mask.nii", None)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["fixed,follow_up", "a,b"], "no column moving"),
        (["fixed,moving"], "lists no pairs"),
        (["fixed,moving", "here.nii,"], "Line 2: names no moving image"),
        ([], "no column"),
    ],
)
def test_bad_tables_are_explained(tmp_path, lines, words):
    with pytest.raises(NePhiError, match=words):
        read_cohort(write_table(tmp_path, *lines))


def test_all_missing_files_are_named_at_once(tmp_path):
    (tmp_path / "here.nii").touch()
    table = write_table(tmp_path, MASKED, "here.nii,gone.nii,,", "here.nii,here.nii,,", "here.nii,here.nii,,lost.nii")
    with pytest.raises(SettingsError, match=r"(?s)pair1: .*gone.nii\npair3: .*lost.nii$"):
        read_cohort(table)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(NePhiError, match="none.csv"):
        read_cohort(tmp_path / "none.csv")


def test_a_prepared_pair_holds_matches_images_and_hashes(tmp_path):
    pair = read_cohort(a_cohort(tmp_path, count=1))[0]
    content = prepared(pair, an_encoder())
    assert content["matches"].shape == (16, 9, 9, 9) and content["matches"].isfinite().all()
    assert content["sha256"] == [sha256_of(path) for path in pair.files]
    for side in ("fixed", "moving"):
        image = ComparedImage(*content[side])
        assert image.features.shape[1] == 2 and image.features.isfinite().all() and len(image.candidates_norm) > 1000


@pytest.mark.parametrize("inner_mm", [0.0, 12.0])
def test_matches_tell_what_the_lungs_do_within_their_outline(tmp_path, inner_mm):
    """The second scan's lungs lie 12 mm lower, which the boxes take up, and their content `inner_mm` higher again."""
    content = prepared(read_cohort(a_cohort(tmp_path, count=1, inner_mm=inner_mm))[0], an_encoder())
    in_lungs = content["matches"][7] > 0.9
    forth = matched_displacements(content["matches"][None].float())[0][0][:, in_lungs].median(1).values
    assert torch.allclose(forth * 102, torch.tensor([inner_mm, 0.0, 0.0]), atol=4)  # the cube is 204 mm high


def test_without_masks_lungs_are_found(tmp_path, monkeypatch):
    asked = []

    def a_part_of_it(volume):
        asked.append(volume)
        return volume.hu < -600

    monkeypatch.setattr(cohort_files, "find_lungs", a_part_of_it)
    prepared(read_cohort(a_cohort(tmp_path, count=1, masks=False))[0], an_encoder())
    assert len(asked) == 2


def test_images_that_are_far_apart_are_no_pair(tmp_path):
    pair = read_cohort(a_cohort(tmp_path, count=1, apart_mm=2000.0))[0]
    with pytest.raises(InvalidVolumeError, match="do not overlap"):
        prepared(pair, an_encoder())


def test_the_key_changes_with_the_files(tmp_path):
    pair = read_cohort(a_cohort(tmp_path, count=1))[0]
    before = pair.key
    assert CohortPair(pair.fixed, pair.moving).key != before == read_cohort(tmp_path / "cohort.csv")[0].key
    pair.moving.write_bytes(pair.moving.read_bytes() + b"more")
    assert pair.key != before
