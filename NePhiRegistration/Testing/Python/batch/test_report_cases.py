"""What the report reads, and what it makes of damaged, hostile and missing files."""

import json

import pytest

from benchmarks.random_batches import HOSTILE, SETTINGS, random_rows, write_batch
from NePhiBatch.folder_names import without_folders
from NePhiBatch.report_cases import read_cases
from NePhiCore.errors import OutputError

PICTURES = {
    "files": ["fixed.jpg", "determinant.png"],
    "size": [100, 50],
    "pixel_mm": 0.75,
    "planes": [{"where": f"S {n} mm", "box": [n, 0, 30, 50]} for n in (0, 32, 64)],
    "determinant_shares": [0.25, 0.75],
}


@pytest.fixture
def output(tmp_path):
    return write_batch(tmp_path, random_rows(6))


def read(output, name="case-0001"):
    return next(case for case in read_cases(output) if case.name == name)


def write_pictures(output, index) -> None:
    folder = output / "cases/case-0001/pictures"
    folder.mkdir(exist_ok=True)
    (folder / "pictures.json").write_text(json.dumps(index))


def test_a_case_is_its_row_its_report_and_its_pictures(output):
    write_pictures(output, PICTURES)
    case = read(output)
    assert (case.status, case.figures["landmarks"], case.texts["device"]) == ("done", 300, "cpu")
    assert case.settings == {**SETTINGS, "version": "0.1.0"}
    assert case.seconds == {"encoding": 10.0, "optimisation": 20.0}
    assert case.files == ["report.json", "log.txt"]
    assert case.pictures.planes[1] == ("S 32 mm", [32, 0, 30, 50])


def test_what_was_not_measured_is_missing_not_zero(output):
    assert "tre_mean_mm" not in read(output, "case-0003").figures


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", ""])
def test_figures_that_are_none_are_missing(tmp_path, cell):
    (tmp_path / "results.csv").write_text(f"case,seconds\nA,{cell}\nB,2\n")
    assert "seconds" not in read(tmp_path, "A").figures
    assert read(tmp_path, "B").figures == {"seconds": 2.0}


def test_a_column_with_one_word_in_it_holds_words(tmp_path):
    (tmp_path / "results.csv").write_text("case,note\nA,1\nB,odd\n")
    assert (read(tmp_path, "A").figures, read(tmp_path, "A").texts) == ({}, {"note": "1"})


def test_of_two_rows_of_a_case_the_last_holds(tmp_path):
    (tmp_path / "results.csv").write_text("case,status,reason\nA,failed,full disk\nA,done,\n")
    (case,) = read_cases(tmp_path)
    assert (case.status, case.reason) == ("done", "")


@pytest.mark.parametrize("name", ["../outside", "..", "/etc", HOSTILE, "a/b"])
def test_a_name_leads_to_no_other_folder(tmp_path, name):
    output = write_batch(tmp_path / "output", [])
    (tmp_path / "outside").mkdir()
    for folder in (tmp_path, tmp_path / "outside", output):
        (folder / "log.txt").write_text("secret")
    rows = [{"case": name, "status": "done"}]
    write_batch(output, rows) if "/" in name else (output / "results.csv").write_text(f"case\n{name}\n")
    assert read_cases(output)[0].files == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"settings": 3, "warnings": {"a": 1}, "seconds_by_step": [1]}'])
def test_a_damaged_report_leaves_the_figures(output, text):
    (output / "cases/case-0001/report.json").write_text(text)
    case = read(output)
    assert case.settings == {} and case.seconds == {}
    assert case.figures["landmarks"] == 300
    assert case.warnings == ([] if text.endswith("}") else ["report.json cannot be read"])


@pytest.mark.parametrize(
    "change",
    [
        {"planes": PICTURES["planes"][:2]},
        {"planes": 7},
        {"planes": [{"where": "S", "box": [0, 0, 1]}] * 3},
        {"size": [0, 50]},
        {"pixel_mm": "wide"},
        {"determinant_shares": None},
    ],
)
def test_damaged_pictures_are_none(output, change):
    write_pictures(output, {**PICTURES, **change})
    assert read(output).pictures is None


def test_pictures_lie_in_their_folder_alone(output):
    write_pictures(output, {**PICTURES, "files": ["fixed.jpg", "../../secret.jpg", "/etc/x.jpg"]})
    assert read(output).pictures.files == ["fixed.jpg"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/data/DOE JOHN/ct.nii.gz does not exist", "ct.nii.gz does not exist"),
        ("fixed: '/data/x/ct.nii' is empty", "fixed: 'ct.nii' is empty"),
        (r"C:\Users\Mary Doe\ct.nrrd: truncated", "ct.nrrd: truncated"),
        (r"\\server\share\ct.nrrd is gone", "ct.nrrd is gone"),
        ("file:///home/mary/ct.nrrd", "ct.nrrd"),
        ("~/scans/ct.nrrd", "ct.nrrd"),
        ("/a/b/one.nii and /c/d/two.nii differ", "one.nii and two.nii differ"),
        ("(/a/b/one.nii)", "(one.nii)"),
        ("fixed/moving volume, 3 mm / 2 mm, and/or 1/2", "fixed/moving volume, 3 mm / 2 mm, and/or 1/2"),
        ("cases/7/log.txt", "cases/7/log.txt"),
    ],
)
def test_no_text_says_where_data_lie(text, kept):
    assert without_folders(text) == kept


def test_texts_lose_their_folders_wherever_they_come_from(output):
    report = {
        "warnings": [{"code": "folds", "message": "look at /home/mary/x.nii"}],
        "settings": {"model": "/home/mary/w.pt"},
        "inputs": {"fixed": "DOE.nii"},
    }
    (output / "cases/case-0001/report.json").write_text(json.dumps(report))
    (output / "results.csv").write_text(
        "case,status,reason,note\ncase-0001,failed,/home/mary/y.nii is gone,/home/mary/z\n"
    )
    words = repr(read(output))
    assert "mary" not in words and "DOE" not in words
    assert "x.nii" in words and "y.nii" in words and "w.pt" in words


def test_a_folder_that_is_no_batch_is_named(tmp_path):
    with pytest.raises(OutputError, match="There is no .*results.csv"):
        read_cases(tmp_path)


def test_a_table_that_is_no_text_is_named(tmp_path):
    (tmp_path / "results.csv").write_bytes(b"case\n\xff\xfe\x00")
    with pytest.raises(OutputError, match="cannot be read"):
        read_cases(tmp_path)
