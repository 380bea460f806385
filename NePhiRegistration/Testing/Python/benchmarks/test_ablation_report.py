"""The document and its pictures from rows."""

import struct

import pytest
from ablation_cases import a_row

from benchmarks.ablation.report import write_report
from benchmarks.ablation.studies import STUDIES
from benchmarks.ablation.tables import failures, latest, missing, spread_table, study_table, without_worst

STUDY = {study.name: study for study in STUDIES}


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def table_of(*rows, study="modes") -> list[list[str]]:
    return cells(study_table(latest(rows, STUDY[study]), STUDY[study]))


def test_a_line_is_the_mean_over_pairs_of_one_kind():
    rows = table_of(
        a_row(pair="d1", tre_mean_mm=1.0), a_row(pair="d2", tre_mean_mm=2.0), a_row(pair="lung", semi_synthetic=False)
    )
    assert rows[2][:3] == ["latent only", "d1, d2 (semi-synthetic)", "1.50"]
    assert rows[3][:3] == ["latent only", "lung (real)", "1.00"]


def test_memory_is_shown_in_gigabytes_and_a_column_without_figures_is_left_out():
    rows = table_of(a_row(peak_memory_mib=1000.0))
    assert dict(zip(rows[0], rows[2]))["memory GB"] == "1.05"
    assert "round trip mm" not in rows[0]


def test_lines_are_in_the_order_of_the_study():
    rows = table_of(a_row(variant="latent only"), a_row(variant="encoder only"))
    assert [row[0] for row in rows[2:]] == ["encoder only", "latent only"]


def test_the_last_row_counts_and_rows_of_other_weights_do_not():
    rows = [a_row(sha="2" * 64, variant="encoder only"), a_row(tre_mean_mm=9.0), a_row(tre_mean_mm=3.0)]
    found = latest(rows, STUDY["modes"])
    assert list(found) == [("latent only", "d1")] and found["latent only", "d1"]["figures"]["tre_mean_mm"] == 3.0


def test_what_diverged_is_told_and_not_averaged():
    bad = a_row(pair="d2")
    bad["figures"] = {"failed": "NaN at iteration 10"}
    found = latest([a_row(), bad], STUDY["modes"])
    assert failures(found) == ["latent only, d2: NaN at iteration 10"]
    assert cells(study_table(found, STUDY["modes"]))[2][1] == "d1 (semi-synthetic)"


def test_the_spread_over_seeds():
    """1.0, 1.1, 1.2: mean 1.1, standard deviation 0.1, range 0.2."""
    rows = [a_row("seeds", f"seed {n}", tre_mean_mm=1.0 + n / 10) for n in range(3)]
    assert cells(spread_table(latest(rows, STUDY["seeds"])))[2] == ["d1", "3", "1.100", "0.100", "0.200"]
    assert spread_table(latest(rows[:1], STUDY["seeds"])) == ""


def test_what_is_missing_is_told_and_long_variants_are_asked_of_one_pair():
    rows = [a_row("sampling", v.name, p) for v in STUDY["sampling"].variants for p in ("d1", "d2") if v.name != "0.001"]
    found = {key: row for key, row in latest(rows, STUDY["sampling"]).items() if key != ("1", "d2")}
    assert missing(found, STUDY["sampling"], ["d1", "d2"]) == ["0.001 (d1, d2)"]


def test_the_mean_without_the_worst_landmark():
    """Eleven landmarks of mean 1 and one of them 6: the other ten have a mean of 0.5."""
    assert without_worst(a_row()) == pytest.approx(0.5)


def test_a_document_has_what_was_run_names_what_was_not_and_keeps_peoples_words(tmp_path):
    interpolated = a_row("interpolation", "0.5 of the way", "d1 to d2")
    interpolated["figures"] = {"folds_central_percent": 0.0, "folds_one_sided_percent": 0.0, "sd_log_j": 0.2}
    rows = [a_row(), a_row(pair="lung", semi_synthetic=False), a_row("weight", "2", sd_log_j=0.1), interpolated]
    write_report(tmp_path, rows)
    document = tmp_path / "ablation.md"
    document.write_text(document.read_text() + "\nWords.\n")
    write_report(tmp_path, rows)
    text = document.read_text()
    assert text.count("## ") == 3 and text.endswith("\nWords.\n")
    assert "Not run yet: What keeps the maps regular; How the images are compared;" in text
    assert "without its worst landmark: latent only, lung: 0.50" in text
    assert "1" * 64 in text and "c0ffee" in text
    for name in ("modes", "weight", "interpolation"):
        assert f"](images/ablation-{name}.png)" in text
        header = (tmp_path / "images" / f"ablation-{name}.png").read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n" and min(struct.unpack(">II", header[16:24])) > 300
    assert not (tmp_path / "images" / "ablation-seeds.png").exists()


def test_no_rows_make_a_document_that_says_so(tmp_path):
    write_report(tmp_path, [])
    assert all(study.title in (tmp_path / "ablation.md").read_text() for study in STUDIES)
