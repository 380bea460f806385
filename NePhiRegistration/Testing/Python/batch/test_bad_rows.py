"""A manifest with every kind of bad row: each is named at once, with its line, and the good rows still run."""

import shutil

import numpy as np
import pytest
from batch_cases import batch_arguments, rows_of, started, statuses, write_cohort
from core.command_cases import SHAPE_KJI, Finished

from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import write_volume

HEADER = "case,fixed,moving,fixed_mask,moving_mask,fixed_landmarks,moving_landmarks,initial_transform,inhale"
PAIR = "good/fixed.nii.gz,good/moving.nii.gz"
MASKS = "good/fixed_mask.nii.gz,good/moving_mask.nii.gz"

# What the row says -> what the user is told of it. The first row, in line 2, is a good one; so is the last.
BAD_ROWS = {
    f",{PAIR}": "has no case name",
    f"../up,{PAIR}": "no name of a file everywhere",
    f"good,{PAIR}": "which line 2 has already",
    "no_fixed,,good/moving.nii.gz": "names no fixed image",
    "no_moving,good/fixed.nii.gz": "names no moving image",
    f'quote,"{PAIR}': "is no row of a table",
    f"too_many,{PAIR},,,,,,,9": "has 10 cells for 9 columns",
    f"l\xe4tin1,{PAIR}": "is not UTF-8",
    f"breath,{PAIR},,,,,,in": "inhale is 'in'",
    f"one_list,{PAIR},,,good/fixed.csv": "landmarks of one image only",
    "missing,nowhere.nii.gz,good/moving.nii.gz": "fixed: {study}/nowhere.nii.gz does not exist",
    "folder,empty,good/moving.nii.gz": "fixed: {study}/empty is an empty folder",
    "text,good/fixed.csv,good/moving.nii.gz": "not an image that can be read",
    "zero,zero.nii.gz,good/moving.nii.gz": "not an image that can be read",
    "flat,flat.nii.gz,good/moving.nii.gz": "a three-dimensional image is needed",
    "twice,good/fixed.nii.gz,good/fixed.nii.gz": "fixed and moving are the same file",
    f"no_mask,{PAIR},none.nii.gz,": "fixed mask: {study}/none.nii.gz does not exist",
    f"grid,{PAIR},coarse.nii.gz,": "fixed mask: {study}/coarse.nii.gz is on another grid than its image",
    f"points,{PAIR},,,good/fixed.csv,two.csv": "3 fixed and 2 moving landmarks",
    f"letters,{PAIR},,,good/fixed.csv,text.csv": "moving landmarks: {study}/text.csv",
    f"no_transform,{PAIR},,,,,none.h5": "initial transform: {study}/none.h5 does not exist",
    f"transform,{PAIR},,,,,text.tfm": "initial transform: {study}/text.tfm",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_cohort(folder, ["good", "last"])
    (folder / "empty").mkdir()
    (folder / "zero.nii.gz").touch()
    (folder / "text.tfm").write_text("no transform")
    (folder / "text.csv").write_text("x,y,z\na,b,c\n")
    (folder / "two.csv").write_text("x,y,z\n1,2,3\n4,5,6\n")
    write_volume(folder / "coarse.nii.gz", np.ones(SHAPE_KJI, np.uint8), ImageGeometry.from_spacing(SHAPE_KJI, 5.0))
    import SimpleITK as sitk

    sitk.WriteImage(sitk.Image(8, 8, sitk.sitkInt16), str(folder / "flat.nii.gz"))
    last = "last,last/fixed.nii.gz,last/moving.nii.gz,last/fixed_mask.nii.gz,last/moving_mask.nii.gz"
    lines = [HEADER, f"good,{PAIR},{MASKS}", *BAD_ROWS, last]
    (folder / "study.csv").write_bytes("\n".join(lines).encode("latin-1"))
    return folder


@pytest.fixture(scope="module")
def ended(study, tmp_path_factory):
    output = tmp_path_factory.mktemp("ended") / "out"
    return finished(batch_arguments(study / "study.csv", output)), output


def finished(arguments) -> Finished:
    """The command in a process of its own, to its end."""
    with started(arguments) as process:
        out, err = process.communicate(timeout=280)
        return Finished(process.returncode, out, err)


def told(ended: Finished) -> list[str]:
    return [line for line in ended.err.splitlines() if line.startswith("nephi: bad row: ")]


def test_there_are_more_than_twelve_kinds():
    assert len(set(BAD_ROWS.values())) >= 12


@pytest.mark.parametrize("row", BAD_ROWS)
def test_each_is_named_with_its_line(study, ended, row):
    said_in_all, _ = ended
    line = list(BAD_ROWS).index(row) + 3
    said = [text for text in told(said_in_all) if text.startswith(f"nephi: bad row: line {line}")]
    assert any(BAD_ROWS[row].format(study=study) in text for text in said), said
    name = row.split(",")[0]
    own_name = name not in ("", "../up", "good", "quote", "too_many", "l\xe4tin1")
    assert (f", case {name}: " in said[0]) == own_name


def test_all_are_told_before_anything_starts_in_the_order_of_the_lines(ended):
    said, output = ended
    lines = [int(text.split("line ")[1].split(",")[0].split(":")[0]) for text in told(said)]
    assert sorted(set(lines)) == list(range(3, 3 + len(BAD_ROWS)))
    assert lines == sorted(lines)
    last_told = said.err.rindex("nephi: bad row")
    assert last_told < said.err.index("good done")
    log = (output / "batch.log").read_text(encoding="utf-8")
    assert log.rindex("does not exist") < log.index("given to a worker")


def test_the_good_rows_still_run_and_the_exit_code_is_1(ended):
    said, output = ended
    assert said.code == 1
    assert said.out.startswith(f"Registered 2 of {2 + len(BAD_ROWS)} cases")
    ended_as = statuses(output)
    assert (ended_as.pop("good"), ended_as.pop("last")) == ("done", "done")
    assert set(ended_as.values()) == {"refused"}
    assert {"missing", "grid", "no_moving"} < {*ended_as}
    reason = rows_of(output)["missing"]["reason"]
    assert reason.startswith("line 13: fixed: nowhere.nii.gz does not exist."), reason


def test_a_row_that_is_mended_runs(study, ended, tmp_path):
    output = shutil.copytree(ended[1], tmp_path / "out")
    mended = tmp_path / "mended.csv"
    rows = [f"{HEADER}", f"good,{study}/good/fixed.nii.gz,{study}/good/moving.nii.gz,{study}/good/fixed_mask.nii.gz,"]
    rows[1] += f"{study}/good/moving_mask.nii.gz"
    rows.append(rows[1].replace("good,", "missing,", 1))
    mended.write_text("\n".join(rows))
    arguments = batch_arguments(study / "study.csv", output)
    arguments[1] = str(mended)
    said = finished(arguments)
    assert said.code == 0, said.err
    assert said.out.startswith("Registered 1 of 2 cases") and "1 were done before" in said.out
    assert statuses(output)["missing"] == "done"


def test_nothing_but_bad_rows_is_no_fault_of_the_arguments(study, tmp_path):
    (study / "bad.csv").write_text("case,fixed,moving\nA,none.nii,\n")
    assert finished(batch_arguments(study / "bad.csv", tmp_path / "out")).code == 1
    assert statuses(tmp_path / "out") == {"A": "refused"}
