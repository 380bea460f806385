"""The patients that training pairs are made from: chest CT scans in a folder, and phantoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from NePhiCore.errors import SettingsError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.image_io import read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.phantom import breathing_phantom
from NePhiCore.sampling import read_image
from NePhiCore.volume import Volume

Tensor = torch.Tensor

PHANTOM_SHAPE, PHANTOM_MM = (156, 132, 180), 2.0
LARGEST_THINNED_MM = 2.0  # finer scans are averaged, up to this: the finest voxels of the search are about as large


@dataclass(frozen=True, eq=False)
class Subject:
    """One scan at inhale, ready to be read anywhere.

    Attributes:
        scan: (1, 2, K, J, I) float32: density (air 0, water 1) and share of lung.
        geometry: where its voxels lie.
        lung_points_ras_mm: (N, 3) centres of the lungs' voxels.
    """

    scan: Tensor
    geometry: ImageGeometry
    lung_points_ras_mm: np.ndarray

    @classmethod
    def of(cls, volume: Volume, lungs: np.ndarray) -> Subject:
        points = transform_points(volume.geometry.ijk_to_ras, np.argwhere(lungs)[:, ::-1].astype(float))
        density = (volume.hu.astype(np.float32) + 1000) / 1000
        scan = torch.from_numpy(np.stack([density, lungs.astype(np.float32)]))[None]
        return cls(*_thinned(scan, volume.geometry), points)

    @property
    def box_ras_mm(self) -> np.ndarray:
        """(2, 3) lowest and highest corner of the lungs."""
        return np.stack([self.lung_points_ras_mm.min(0), self.lung_points_ras_mm.max(0)])

    def to(self, device: torch.device | str) -> Subject:
        return replace(self, scan=self.scan.to(device))

    def read(self, points: Tensor, to_ras: np.ndarray) -> tuple[Tensor, Tensor]:
        """Density and share of lung (N,) at points (N, 3) that a matrix (4, 4) brings to RAS mm.

        Beyond the scan the density of its edge goes on, without lung.
        """
        size_ijk = np.array(self.geometry.shape_kji[::-1])
        to_unit = np.diag([*(2.0 / (size_ijk - 1)), 1.0]) @ self.geometry.ras_to_ijk @ to_ras
        unit = apply_matrix(to_unit[[2, 1, 0, 3]], points) - 1
        density, lungs = read_image(self.scan, unit[None])[0].T
        return density, lungs * (unit.abs().amax(-1) <= 1)


def apply_matrix(matrix: np.ndarray, points: Tensor) -> Tensor:
    """A (4, 4) matrix applied to points (N, 3), in their precision."""
    matrix = torch.as_tensor(matrix).to(points)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def subjects_in(folder: Path) -> Iterator[Subject]:
    """Every CT of a folder, by name; lungs found by the product's own masks."""
    for path in scans_in(folder):
        volume = read_volume(path)
        yield Subject.of(volume, find_lungs(volume))


def scans_in(folder: Path) -> list[Path]:
    """The CT files of a folder, by name.

    Raises:
        SettingsError: there are none.
    """
    scans = sorted(folder.glob("*.nii.gz"))
    if not scans:
        raise SettingsError(f"{folder} holds no chest CT (.nii.gz). Check the path.")
    return scans


def phantom_subject(seed: int) -> Subject:
    """A made-up patient at inhale."""
    phantom = breathing_phantom(PHANTOM_SHAPE, PHANTOM_MM, seed=seed, landmark_count=0)
    return Subject.of(phantom.inhale, phantom.inhale_lungs)


def _thinned(scan: Tensor, geometry: ImageGeometry) -> tuple[Tensor, ImageGeometry]:
    """The scan averaged over as many whole voxels as stay within LARGEST_THINNED_MM."""
    spacing_ijk = np.linalg.norm(geometry.ijk_to_ras[:3, :3], axis=0)
    factors_ijk = np.maximum(1, (LARGEST_THINNED_MM / spacing_ijk + 0.01).astype(int))
    if factors_ijk.max() == 1:
        return scan, geometry
    scan = F.avg_pool3d(scan, tuple(factors_ijk[::-1].tolist()))
    matrix = geometry.ijk_to_ras @ np.diag([*factors_ijk, 1.0])
    matrix[:3, 3] = transform_points(geometry.ijk_to_ras, (factors_ijk - 1)[None] / 2)[0]
    return scan, ImageGeometry(tuple(scan.shape[2:]), matrix)
