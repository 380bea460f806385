"""Folders as DIR-Lab hands them out: headerless images of 16-bit integers, landmark files of 1-based voxel indices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NePhiCore.dirlab_cases import COPDGENE, CaseSize
from NePhiCore.geometry import transform_points
from NePhiCore.phantom import BreathingPhantom, breathing_phantom

# Column to the left, row to the back, slice down: the axes of DIR-Lab's images, in RAS.
AXES_RAS = np.diag([-1.0, -1.0, -1.0])
PHANTOM_SIZE = CaseSize((64, 48, 54), (6.0, 6.0, 6.0))
LETTERS = {"exhale": "e", "inhale": "i"}


@dataclass(frozen=True)
class MadeCase:
    """What was written.

    Attributes:
        phantom: the two scans.
        indices: phase -> (N, 3) int, voxels (i, j, k) counted from 1.
    """

    phantom: BreathingPhantom
    indices: dict[str, np.ndarray]

    @property
    def distance_mm(self) -> np.ndarray:
        """(N,) of the landmarks before registration; the voxels are cubes."""
        return np.linalg.norm(self.indices["exhale"] - self.indices["inhale"], axis=1) * PHANTOM_SIZE.spacing_mm[0]


def write_image(path: Path, hu_kji: np.ndarray) -> None:
    """HU + 1024, little-endian, i fastest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((hu_kji.astype(int) + 1024).astype("<i2").tobytes())


def write_landmarks(path: Path, indices: np.ndarray) -> None:
    """A line each, cells divided by tabs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in indices))


def write_copdgene_case(folder: Path, number: int) -> MadeCase:
    """A coarse phantom as the COPDGene case of a number; its size has to be put into ``COPDGENE.sizes``."""
    phantom = breathing_phantom(PHANTOM_SIZE.voxels_ijk[::-1], 6.0, seed=1, direction=AXES_RAS)
    scans = {"exhale": phantom.exhale, "inhale": phantom.inhale}
    points = {"exhale": phantom.landmarks_exhale_ras_mm, "inhale": phantom.landmarks_inhale_ras_mm}
    indices = {}
    for phase, scan in scans.items():
        name = f"copd{number}/copd{number}/copd{number}"
        indices[phase] = np.rint(transform_points(scan.geometry.ras_to_ijk, points[phase])).astype(int) + 1
        write_image(folder / f"{name}_{LETTERS[phase]}BHCT.img", scan.hu)
        write_landmarks(folder / f"{name}_300_{LETTERS[phase]}BH_xyz_r1.txt", indices[phase])
    return MadeCase(phantom, indices)


def coarse_sizes(patch, *numbers: int) -> None:
    """Let cases of COPDGene have the phantom's size, with pytest's monkeypatch."""
    for number in numbers:
        patch.setitem(COPDGENE.sizes, number, PHANTOM_SIZE)
