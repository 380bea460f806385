from pathlib import Path

import pytest

from NePhiBatch.manifest import BatchCase, read_manifest
from NePhiCore.errors import NePhiError, SettingsError

PATTERNS = {"fixed": "{case}/exhale.nii.gz", "moving": "{case}/inhale.nii.gz"}


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_manifest_lists_absolute_paths_relative_to_itself(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    (tmp_path / "study/m.csv").write_text("case;fixed;moving;initial_transform\nA;a/e.mha;../i.mha;\n")
    monkeypatch.chdir(tmp_path)
    (case,) = read_manifest(Path("study/m.csv"), {}).cases
    assert case == BatchCase("A", {"fixed": tmp_path / "study/a/e.mha", "moving": tmp_path / "i.mha"}, None, 2)


def test_bad_rows_keep_their_lines_and_names(tmp_path):
    (tmp_path / "m.csv").write_text("case,fixed,moving,note\nA,e,i,x\nB,e,,\n,e,i,\n")
    manifest = read_manifest(tmp_path / "m.csv", {})
    assert [case.name for case in manifest.cases] == ["A"]
    assert [problem.place for problem in manifest.problems] == ["line 3, case B", "line 4"]
    assert manifest.ignored == ["note"]


def test_cases_are_found_in_folders(tmp_path):
    touch(tmp_path, "P1/exhale.nii.gz", "P1/inhale.nii.gz", "P2/exhale.nii.gz", "P2/inhale.nii.gz", "P2/lungs.nii.gz")
    touch(tmp_path, "notes.txt", ".hidden/exhale.nii.gz", "deep/er/exhale.nii.gz")
    manifest = read_manifest(tmp_path, {**PATTERNS, "fixed_mask": "{case}/lungs.nii.gz"})
    assert [case.name for case in manifest.cases] == ["P1", "P2"]
    assert manifest.cases[0].files == {"fixed": tmp_path / "P1/exhale.nii.gz", "moving": tmp_path / "P1/inhale.nii.gz"}
    assert manifest.cases[1].files["fixed_mask"] == tmp_path / "P2/lungs.nii.gz"
    assert not manifest.problems


def test_cases_are_found_by_names_of_files(tmp_path):
    touch(tmp_path, "P1_e[x].nii", "P1_in.nii", "sub/P1_e[x].nii", "P1_ex.nii")
    (case,) = read_manifest(tmp_path, {"fixed": "{case}_e[x].nii", "moving": "{case}_in.nii"}).cases
    assert case.name == "P1"


def test_every_case_in_a_pattern_is_the_same(tmp_path):
    touch(tmp_path, "A/A_ex.nii", "A/B_ex.nii", "A/A_in.nii")
    (case,) = read_manifest(tmp_path, {"fixed": "{case}/{case}_ex.nii", "moving": "{case}/{case}_in.nii"}).cases
    assert case.files["fixed"] == tmp_path / "A/A_ex.nii"


def test_half_a_case_is_a_problem_of_its_own(tmp_path):
    touch(tmp_path, "P1/exhale.nii.gz", "P1/inhale.nii.gz", "P2/exhale.nii.gz", "P3/inhale.nii.gz", "a,b/exhale.nii.gz")
    manifest = read_manifest(tmp_path, PATTERNS)
    assert [case.name for case in manifest.cases] == ["P1"]
    told = {problem.case: problem.text for problem in manifest.problems}
    assert "has no moving image (P2/inhale.nii.gz)" in told["P2"]
    assert "has no fixed image (P3/exhale.nii.gz)" in told["P3"]
    assert "'a,b' is no name of a case" in told[None]


def test_landmarks_of_one_image_only_are_a_problem(tmp_path):
    touch(tmp_path, "P1/exhale.nii.gz", "P1/inhale.nii.gz", "P1/e.csv")
    patterns = {**PATTERNS, "fixed_landmarks": "{case}/e.csv", "moving_landmarks": "{case}/i.csv"}
    (problem,) = read_manifest(tmp_path, patterns).problems
    assert "landmarks of one image only" in problem.text


@pytest.mark.parametrize(
    ("patterns", "cause"),
    [
        ({}, "--fixed and --moving must say"),
        ({"fixed": "{case}/e.nii"}, "--moving must say"),
        ({"fixed": "e.nii", "moving": "{case}/i.nii"}, "--fixed e.nii: expected a path below"),
        ({"fixed": "/x/{case}.nii", "moving": "{case}/i.nii"}, "--fixed /x"),
        ({"fixed": "../{case}.nii", "moving": "{case}/i.nii"}, "--fixed ../"),
    ],
)
def test_patterns_that_cannot_be_used_are_refused(tmp_path, patterns, cause):
    with pytest.raises(SettingsError, match=cause):
        read_manifest(tmp_path, patterns)


def test_patterns_are_not_for_a_manifest(tmp_path):
    (tmp_path / "m.csv").write_text("case,fixed,moving\nA,e,i\n")
    with pytest.raises(SettingsError, match="--fixed-mask: patterns are for a folder"):
        read_manifest(tmp_path / "m.csv", {"fixed_mask": "{case}.nii"})


def test_nothing_to_be_found_is_said(tmp_path):
    with pytest.raises(NePhiError, match="No file in .* fits"):
        read_manifest(tmp_path, PATTERNS)
    with pytest.raises(NePhiError, match="does not exist"):
        read_manifest(tmp_path / "none.csv", {})
