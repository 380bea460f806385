"""The measurements and pictures of the report: what they write and what they say."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import phantom_cohort, report_opening, report_pictures
from benchmarks.chromium import missing_program
from benchmarks.random_batches import random_rows, scan, write_batch, write_pictures
from NePhiCore.image_io import read_volume
from NePhiCore.landmarks import read_landmarks
from NePhiCore.pair_list import read_pair_list
from NePhiCore.voxel_views import mask_points_ras_mm

needs_browser = pytest.mark.skipif(
    missing_program() is not None, reason=f"NOT TESTED HERE: needs a real browser, {missing_program()} is not installed"
)


@needs_browser
def test_the_opening_is_measured_and_said(capsys):
    code = report_opening.main(["--cases", "30", "--runs", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert code in (0, 1)  # the limit is for a machine that does nothing else
    assert lines[0].startswith("30 cases, written in ") and lines[1].startswith("opened in ")


@needs_browser
def test_pictures_are_drawn_of_a_batch(tmp_path):
    output = write_batch(tmp_path / "batch", random_rows(12), write_pictures(tmp_path / "pictures"))
    assert report_pictures.main([str(tmp_path), "--batch", str(output), "--case", "case-0001"]) == 0
    for name in ("report.png", "report_case.png"):
        assert (tmp_path / name).stat().st_size > 20_000


@pytest.mark.parametrize("command", [report_opening, report_pictures])
def test_without_a_browser_nothing_is_made(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(command, "missing_program", lambda: "Chromium")
    assert command.main([] if command is report_opening else [str(tmp_path)]) == 2
    assert "Chromium is not installed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_cohort_of_phantoms_has_its_mishaps(tmp_path, monkeypatch):
    """Of patients that are cheaper to make than phantoms."""
    volume, lungs = scan()
    points = mask_points_ras_mm(lungs, volume.geometry, 5)
    patient = SimpleNamespace(
        exhale=volume, inhale=volume, landmarks_exhale_ras_mm=points, landmarks_inhale_ras_mm=points + 1
    )
    monkeypatch.setattr(phantom_cohort, "breathing_phantom", lambda **_: patient)
    manifest = phantom_cohort.write_cohort(tmp_path, 3)
    assert len(read_pair_list(manifest)) == 3
    with open(manifest, newline="") as file:
        first, mixed_up, flooded = csv.DictReader(file)
    assert mixed_up["moving"] == first["moving"] and mixed_up["fixed_landmarks"] == ""
    assert read_volume(tmp_path / flooded["fixed"], "flooded").hu.min() == -200
    np.testing.assert_allclose(read_landmarks(tmp_path / first["moving_landmarks"]), points + 1)
