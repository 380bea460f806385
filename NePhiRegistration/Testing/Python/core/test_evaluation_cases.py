import numpy as np
import pytest
from dirlab_folders import coarse_sizes, write_copdgene_case

from NePhiCore.cli_arguments import DATASETS
from NePhiCore.dirlab_cases import COPDGENE, FOUR_D_CT
from NePhiCore.errors import InvalidLandmarksError, NePhiError, SettingsError
from NePhiCore.evaluation_cases import CSV, find_evaluation_set


@pytest.fixture(scope="module")
def copdgene(tmp_path_factory):
    """A folder with cases 2 and 10, the same phantom twice, and what was written."""
    folder = tmp_path_factory.mktemp("COPDgene")
    written, _ = (write_copdgene_case(folder, number) for number in (2, 10))
    return folder, written


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    coarse_sizes(monkeypatch, 2, 10)


@pytest.fixture
def table(tmp_path):
    """A CSV of three pairs; no image is read before its turn."""
    (tmp_path / "pairs.csv").write_text("name,fixed,moving,fixed_mask\na,1,2,m\nb,3,4,\nc,5,6,\n")
    return tmp_path / "pairs.csv"


def test_the_command_knows_the_data_sets_by_their_names():
    assert DATASETS == (COPDGENE.name, FOUR_D_CT.name, CSV)


def test_a_folder_is_found_to_be_copdgene(copdgene):
    folder, _ = copdgene
    found = find_evaluation_set(folder, None, None, None)
    assert (found.dataset, found.fixed) == ("dirlab-copdgene", "exhale")
    assert [(case.number, case.name) for case in found.cases] == [(2, "copd2"), (10, "copd10")]
    assert {path.name for path in found.inputs} == {path.name for path in folder.rglob("copd*.*")}


@pytest.mark.parametrize(("fixed", "moving"), [("exhale", "inhale"), ("inhale", "exhale")])
def test_a_case_reads_its_scans_and_landmarks_the_way_that_was_asked_for(copdgene, fixed, moving):
    folder, made = copdgene
    pair = find_evaluation_set(folder, "dirlab-copdgene", fixed, [10]).cases[0].read()
    scans = {"exhale": made.phantom.exhale, "inhale": made.phantom.inhale}
    letters = {"exhale": "e", "inhale": "i"}
    np.testing.assert_array_equal(pair.fixed.hu, scans[fixed].hu)
    np.testing.assert_array_equal(pair.moving.hu, scans[moving].hu)
    assert pair.file_names == {
        "fixed": f"copd10_{letters[fixed]}BHCT.img",
        "moving": f"copd10_{letters[moving]}BHCT.img",
    }
    np.testing.assert_allclose(pair.fixed_landmarks_ras_mm, -(made.indices[fixed] - 1) * 6.0)
    np.testing.assert_allclose(pair.moving_landmarks_ras_mm, -(made.indices[moving] - 1) * 6.0)
    assert pair.fixed_lungs is None


def test_4dct_is_found_by_its_own_names(tmp_path):
    (tmp_path / "Case1Pack" / "Images").mkdir(parents=True)
    (tmp_path / "Case1Pack" / "Images" / "case1_T00_s.img").touch()
    found = find_evaluation_set(tmp_path, None, "inhale", None)
    assert (found.dataset, found.fixed) == ("dirlab-4dct", "inhale")
    assert [case.name for case in found.cases] == ["case1"]
    with pytest.raises(
        InvalidLandmarksError, match=r"no file of the inhale landmarks of case1; .*Case1_300_T50_xyz\.txt"
    ):
        found.cases[0].read()


def test_a_folder_of_both_must_be_told_which(copdgene, tmp_path):
    for name in ("copd1_eBHCT.img", "case1_T00_s.img"):
        (tmp_path / name).touch()
    with pytest.raises(NePhiError, match="cases of both dirlab-copdgene and dirlab-4dct. Choose one with --dataset"):
        find_evaluation_set(tmp_path, None, None, None)
    assert [case.name for case in find_evaluation_set(tmp_path, "dirlab-4dct", None, None).cases] == ["case1"]


def test_the_numbers_choose_cases_and_their_order(copdgene, table):
    folder, _ = copdgene
    assert [case.name for case in find_evaluation_set(folder, None, None, [10, 2]).cases] == ["copd10", "copd2"]
    assert [case.name for case in find_evaluation_set(table, None, None, [3, 1]).cases] == ["c", "a"]
    with pytest.raises(SettingsError, match="--cases: there is no case 1, 3. There are 2, 10"):
        find_evaluation_set(folder, None, None, [1, 2, 3])


@pytest.mark.parametrize("dataset", [None, "csv"])
def test_a_table_lists_its_pairs_and_files(table, dataset):
    found = find_evaluation_set(table, dataset, None, None)
    assert (found.dataset, found.fixed) == ("csv", None)
    assert [(case.number, case.name) for case in found.cases] == [(1, "a"), (2, "b"), (3, "c")]
    assert [path.name for path in found.inputs] == ["pairs.csv", "1", "2", "m", "3", "4", "5", "6"]


def test_a_table_says_itself_what_is_fixed(table):
    with pytest.raises(SettingsError, match="--fixed is for DIR-Lab"):
        find_evaluation_set(table, None, "inhale", None)


@pytest.mark.parametrize(
    ("name", "dataset", "cause"),
    [
        ("none", None, "does not exist"),
        ("", None, r"no cases of dirlab-copdgene \(such files as copd1_eBHCT.img\) or dirlab-4dct"),
        ("", "dirlab-4dct", r"no cases of dirlab-4dct \(such files as case1_T50_s.img\)"),
        ("", "csv", "is not a file"),
        ("pairs.csv", "dirlab-copdgene", "is no folder"),
    ],
)
def test_where_there_is_nothing_to_evaluate_it_is_said(table, name, dataset, cause):
    with pytest.raises(NePhiError, match=cause):
        find_evaluation_set(table.parent / name, dataset, None, None)
