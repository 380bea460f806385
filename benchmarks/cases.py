"""What is registered: pairs in a folder, or the phantom where there are none."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NePhiCore.image_io import write_volume
from NePhiCore.itk_bridge import flip_lps_ras
from NePhiCore.phantom import breathing_phantom

_ROLES = (("exhale", "inhale"), ("baseline", "followup"))
_LANDMARKS = "landmarks_lps_mm.csv"


@dataclass(frozen=True, eq=False)
class BenchmarkPair:
    """Files of one pair, and what is known of it.

    Attributes:
        fixed, moving: images.
        fixed_lungs, moving_lungs: masks, which the peers need.
        fixed_landmarks, moving_landmarks: (N, 3) RAS mm.
    """

    name: str
    fixed: Path
    moving: Path
    fixed_lungs: Path
    moving_lungs: Path
    fixed_landmarks: np.ndarray
    moving_landmarks: np.ndarray


def find_pairs(folder: Path) -> list[BenchmarkPair]:
    """Every folder below that holds exhale and inhale, or baseline and followup, with lungs and landmarks."""
    return [_pair(path.parent) for path in sorted(folder.rglob(_LANDMARKS))]


def _pair(folder: Path) -> BenchmarkPair:
    fixed, moving = next(roles for roles in _ROLES if (folder / f"{roles[0]}.nii.gz").exists())
    images = [folder / f"{role}.nii.gz" for role in (fixed, moving)]
    lungs = [next(folder.glob(f"{role}_[lm]*.nii.gz")) for role in (fixed, moving)]
    return BenchmarkPair(folder.name, *images, *lungs, *read_landmark_pairs(folder / _LANDMARKS, fixed, moving))


def read_landmark_pairs(path: Path, *roles: str) -> list[np.ndarray]:
    """(N, 3) RAS mm for each role, from columns <role>_x, _y, _z or <role>_x_mm, ..., LPS mm."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    points = []
    for role in roles:
        ending = "_mm" if f"{role}_x_mm" in rows[0] else ""
        lps = np.array([[float(row[f"{role}_{axis}{ending}"]) for axis in "xyz"] for row in rows])
        points.append(flip_lps_ras(lps))
    return points


def phantom_pair(folder: Path, seed: int = 0) -> BenchmarkPair:
    """The breathing phantom, written to a folder; exhale is fixed."""
    phantom = breathing_phantom(seed=seed)
    for role, volume, lungs in (
        ("exhale", phantom.exhale, phantom.exhale_lungs),
        ("inhale", phantom.inhale, phantom.inhale_lungs),
    ):
        write_volume(folder / f"{role}.nii.gz", volume.hu, volume.geometry)
        write_volume(folder / f"{role}_lungs.nii.gz", lungs.astype(np.uint8), volume.geometry)
    files = [folder / name for name in ("exhale.nii.gz", "inhale.nii.gz", "exhale_lungs.nii.gz", "inhale_lungs.nii.gz")]
    return BenchmarkPair("phantom", *files, phantom.landmarks_exhale_ras_mm, phantom.landmarks_inhale_ras_mm)


def resized_pair(pair: BenchmarkPair, size: int, folder: Path) -> BenchmarkPair:
    """The same patient on size^3 voxels, images and masks, written to a folder."""
    names = ("fixed", "moving", "fixed_lungs", "moving_lungs")
    files = []
    for name in names:
        image = sitk.ReadImage(str(getattr(pair, name)))
        target = folder / f"{name}.nii.gz"
        sitk.WriteImage(_resized(image, size, "lungs" in name), str(target))
        files.append(target)
    return BenchmarkPair(f"{pair.name} {size}^3", *files, pair.fixed_landmarks, pair.moving_landmarks)


def _resized(image: sitk.Image, size: int, is_mask: bool) -> sitk.Image:
    """The same field of view, first and last voxel centres where they were."""
    steps = np.array(image.GetSize()) - 1
    spacing = np.array(image.GetSpacing()) * steps / (size - 1)
    grid = sitk.Image([size] * 3, image.GetPixelID())
    grid.SetOrigin(image.GetOrigin())
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing(spacing.tolist())
    interpolator = sitk.sitkNearestNeighbor if is_mask else sitk.sitkLinear
    return sitk.Resample(image, grid, sitk.Transform(), interpolator, 0 if is_mask else -1024)
