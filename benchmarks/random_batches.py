"""Folders of batches that never ran: figures drawn at random, for tests and measurements of the report."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np

from NePhiBatch.case_pictures import write_case_pictures
from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume

HEADINGS = (
    *("case", "status", "reason", "landmarks", "tre_before_mean_mm", "tre_mean_mm", "local_ncc_before", "local_ncc"),
    *("folds_one_sided_percent", "det_p1", "det_p99", "inverse_consistency_mean_mm"),
    *("lung_volume_fixed_litres", "lung_volume_moving_litres", "lung_overlap_dice_before", "lung_overlap_dice"),
    *("warning_codes", "seconds", "device", "inhale_image", "prm_emphysema_percent", "prm_emphysema_percent_left"),
)
# Whoever shows it as markup runs it.
HOSTILE = '<img src=x onerror="document.title=1">'
HOSTILE_REASON = '</script><script>document.title=2</script> & "quoted" {{DATA}} in /home/mary/DOE JOHN/scan.nii.gz'
SETTINGS = {"preset": "balanced", "iterations": 150, "similarity": "local_ncc", "regularity_weight": 2.0}


def random_rows(count: int, seed: int = 0) -> list[dict[str, object]]:
    """Rows of results.csv of a cohort in which every 50th case failed, every 40th has a high TRE and none else has."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(1, count + 1):
        row: dict[str, object] = {"case": f"case-{number:04d}", "status": "done", "landmarks": 300, "device": "cpu"}
        if number % 50 == 0:
            rows.append({**row, "status": "failed", "reason": "fixed: the lungs were not found", "landmarks": ""})
            continue
        fixed = draw.uniform(2, 4)
        row |= {"tre_before_mean_mm": draw.uniform(8, 25), "tre_mean_mm": draw.uniform(0.9, 1.6)}
        row |= {"local_ncc_before": draw.uniform(0.1, 0.3), "local_ncc": draw.uniform(0.88, 0.95)}
        row |= {"det_p1": draw.uniform(0.7, 0.9), "det_p99": draw.uniform(1.9, 2.6), "folds_one_sided_percent": 0}
        row |= {"inverse_consistency_mean_mm": draw.uniform(0.05, 0.12), "seconds": draw.uniform(30, 60)}
        row |= {"lung_volume_fixed_litres": fixed, "lung_volume_moving_litres": fixed * draw.uniform(1.4, 1.8)}
        row |= {"lung_overlap_dice_before": draw.uniform(0.7, 0.8), "lung_overlap_dice": draw.uniform(0.97, 0.985)}
        row |= {"prm_emphysema_percent": draw.uniform(0, 30), "inhale_image": "moving"}
        if number % 40 == 0:
            row |= {"tre_mean_mm": draw.uniform(6, 9)}
        if number % 25 == 3:
            row |= {"warning_codes": "not_inverse"}
        if number % 3 == 0:
            row |= {"landmarks": "", "tre_mean_mm": "", "tre_before_mean_mm": ""}
        rows.append(row)
    return rows


def write_batch(output: Path, rows: list[dict[str, object]], pictures: Path | None = None) -> Path:
    """results.csv and, for each case that is done, report.json, log.txt and links to the given pictures.

    Returns:
        The folder.
    """
    (output / "cases").mkdir(parents=True, exist_ok=True)
    with open(output / "results.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADINGS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for number, row in enumerate(rows):
        if "/" in str(row["case"]):
            continue
        folder = output / "cases" / str(row["case"])
        folder.mkdir(exist_ok=True)
        (folder / "log.txt").write_text("registered\n")
        if row["status"] == "done":
            text = "the two maps are not inverses of each other: more --iterations help"
            warnings = [{"code": "not_inverse", "message": text}] if number % 25 == 3 else []
            seconds = {"encoding": 10.0 + number % 7, "optimisation": 20.0}
            report = {"settings": SETTINGS, "version": "0.1.0", "warnings": warnings, "seconds_by_step": seconds}
            (folder / "report.json").write_text(json.dumps(report))
            if pictures is not None:
                _link(pictures, folder / "pictures")
    return output


def write_pictures(folder: Path) -> Path:
    """Pictures of a made-up case with a fold and all classes of the parametric response; returns their folder."""
    fixed, lungs = scan()
    moving, _ = scan(moved_mm=-10.0)
    steps = np.arange(lungs.shape[1])[None, :, None] * np.ones(lungs.shape)
    folds = np.zeros(lungs.shape, bool)
    folds[13:16, 20:24, 12:14] = True
    folder.mkdir(parents=True)
    classes = np.where(lungs, 1 + steps.astype(np.uint8) % 4, 0).astype(np.uint8)
    write_case_pictures(folder, fixed, moving, fixed.hu, 2 ** (steps / 11 - 2), lungs, folds & lungs, classes)
    return folder / "pictures"


def scan(moved_mm: float = 0.0) -> tuple[Volume, np.ndarray]:
    """Two lungs of noise in a body of water, and where they are; moved along the patient's axis."""
    geometry = ImageGeometry.from_spacing((30, 44, 50), (3.0, 3.0, 5.0), (-75.0, -66.0, -75.0))
    r, a, s = np.moveaxis(geometry.points_ras_mm() - (0, 0, moved_mm), -1, 0)
    lungs = ((np.abs(r) - 32) / 24) ** 2 + (a / 45) ** 2 + (s / 60) ** 2 < 1
    hu = np.where((r / 70) ** 2 + (a / 60) ** 2 < 1, 40.0, -1000.0)
    hu[lungs] = np.random.default_rng(0).normal(-750, 120, int(lungs.sum()))
    return Volume(hu.astype(np.int16), geometry, "scan"), lungs


def _link(pictures: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in pictures.iterdir():
        os.link(file, target / file.name)
