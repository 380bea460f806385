"""A cohort of breathing phantoms as files and their manifest, with the mishaps of a real one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from NePhiCore.image_io import write_volume
from NePhiCore.phantom import BreathingPhantom, breathing_phantom
from NePhiCore.phantom_disease import Ball, Disease

_COLUMNS = ("case", "fixed", "moving", "fixed_landmarks", "moving_landmarks", "inhale")
_LUNG_CENTRES_RAS_MM = ((-75.0, -10.0, 20.0), (75.0, -10.0, 20.0))


def write_cohort(folder: Path, patients: int) -> Path:
    """Exhale (fixed) and inhale scans of made-up patients, some of them ill; two pairs are not as they should be.

    One before the last pairs the scans of two patients, the last a fixed image without air.

    Returns:
        The manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_write_patient(folder, seed) for seed in range(1, patients + 1)]
    rows[-2] |= {"moving": rows[0]["moving"], "fixed_landmarks": "", "moving_landmarks": ""}
    _flood(folder / rows[-1]["fixed"], patients)
    manifest = folder / "cohort.csv"
    with open(manifest, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def _write_patient(folder: Path, seed: int) -> dict[str, str]:
    phantom, name = _patient(seed), f"patient-{seed:02d}"
    scans = (
        ("fixed", phantom.exhale, phantom.landmarks_exhale_ras_mm),
        ("moving", phantom.inhale, phantom.landmarks_inhale_ras_mm),
    )
    row = {"case": name, "inhale": "moving"}
    for role, scan, landmarks in scans:
        row |= {role: f"{name}_{role}.nii.gz", f"{role}_landmarks": f"{name}_{role}.csv"}
        write_volume(folder / row[role], scan.hu, scan.geometry)
        np.savetxt(folder / row[f"{role}_landmarks"], landmarks, delimiter=",", header="r,a,s", comments="")
    return row


def _patient(seed: int) -> BreathingPhantom:
    draw = np.random.default_rng(seed)
    emphysema, trapped_air = (
        tuple(
            Ball(tuple(centre + draw.normal(0, 18, 3)), float(draw.uniform(12, 42)))
            for centre in np.array(_LUNG_CENTRES_RAS_MM)[draw.random(2) < 0.6]
        )
        for _ in range(2)
    )
    strength = float(draw.uniform(0.6, 1.1))
    return breathing_phantom(seed=seed, strength=strength, disease=Disease(emphysema, trapped_air))


def _flood(path: Path, seed: int) -> None:
    """A scan of the patient without any air in it."""
    scan = breathing_phantom(seed=seed).exhale
    write_volume(path, scan.hu.clip(min=-200), scan.geometry)
