"""A breathing digital thorax whose motion is known everywhere: breathing_phantom.

Both scans are read from one anatomy, the same way: the inhale scan at its own points, the exhale
scan at the inhale points its tissue comes from, its parenchyma denser by the volume it lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.nn import functional as F

from .breathing_motion import BreathingMotion, random_breathing
from .errors import SettingsError
from .geometry import ImageGeometry, transform_points
from .phantom_anatomy import FINE_MM, Anatomy, build_anatomy, lobe_labels
from .phantom_disease import HEALTHY, Disease
from .phantom_surfaces import TISSUE_HIGH_RAS_MM, TISSUE_LOW_RAS_MM
from .sampling import read_image
from .volume import Volume

_BLUR = 0.4  # standard deviation of the scanner's blur, in voxels
_VOXELS_AT_ONCE = 1 << 18
DIRECTIONS = ("exhale_to_inhale", "inhale_to_exhale")


@dataclass(frozen=True, eq=False)
class BreathingPhantom:
    """Two scans of one made-up patient and the truth about them. All points and vectors are RAS mm.

    Attributes:
        inhale, exhale: int16 HU.
        inhale_lungs, exhale_lungs: (K, J, I) bool on the grid of their scan.
        inhale_lobes: (K, J, I) uint8 on the inhale grid, numbers of ``phantom_anatomy.LOBES``.
        motion: the exact map between the scans.
        landmarks_inhale_ras_mm, landmarks_exhale_ras_mm: (N, 3) float64, row by row the same
            vessel branch (where these run out, any lung point), inside both lung masks.
    """

    inhale: Volume
    exhale: Volume
    inhale_lungs: np.ndarray
    exhale_lungs: np.ndarray
    inhale_lobes: np.ndarray
    motion: BreathingMotion
    landmarks_inhale_ras_mm: np.ndarray
    landmarks_exhale_ras_mm: np.ndarray

    def exhale_to_inhale(self, points_ras_mm: np.ndarray) -> np.ndarray:
        return self.motion.exhale_to_inhale(points_ras_mm)

    def inhale_to_exhale(self, points_ras_mm: np.ndarray) -> np.ndarray:
        return self.motion.inhale_to_exhale(points_ras_mm)

    def truth_displacement(self, geometry: ImageGeometry, direction: str) -> np.ndarray:
        """The true u = T(p) - p at every voxel centre of a grid.

        Args:
            direction: T, "exhale_to_inhale" (for grids over the exhale scan) or "inhale_to_exhale".

        Returns:
            (K, J, I, 3) float32 RAS mm.

        Raises:
            SettingsError: another direction.
        """
        if direction not in DIRECTIONS:
            raise SettingsError(f"direction must be one of {', '.join(DIRECTIONS)}, got {direction!r}.")
        points = geometry.points_ras_mm()
        displacement: np.ndarray = (getattr(self, direction)(points) - points).astype(np.float32)
        return displacement


def breathing_phantom(  # noqa: PLR0913 (all may be left out, and are given by name)
    shape_kji: tuple[int, int, int] = (104, 96, 120),
    spacing_mm: float | tuple[float, float, float] = 3.0,
    seed: int = 0,
    *,
    strength: float = 1.0,
    max_offset_mm: float = 30.0,
    noise_hu: float = 15.0,
    landmark_count: int = 300,
    direction: np.ndarray | None = None,
    inhale_geometry: ImageGeometry | None = None,
    exhale_geometry: ImageGeometry | None = None,
    disease: Disease = HEALTHY,
) -> BreathingPhantom:
    """Make a patient, let it breathe out and scan it twice.

    A seed is one patient and one motion; grids only decide which part of them is scanned. Without
    geometries of their own both scans are centred on the middle of the inhale lungs, the RAS origin.

    Args:
        shape_kji, spacing_mm: the grid of both scans; the default holds the lungs of every seed.
        seed: anatomy, motion, noise and choice of landmarks.
        strength, max_offset_mm: see ``random_breathing``.
        noise_hu: standard deviation of the noise, fresh in each scan.
        landmark_count: landmark pairs to place.
        direction: (3, 3) axis columns of both grids in RAS; the identity by default.
        inhale_geometry, exhale_geometry: grids to use instead, e.g. to cut the field of view.
        disease: none by default.

    Raises:
        SettingsError: a negative number, or grids that show too little of the same lung.
    """
    if min(seed, noise_hu, landmark_count) < 0:
        raise SettingsError(
            f"Seed, noise and landmark count must be at least 0, got {seed}, {noise_hu} HU and {landmark_count}."
        )
    centred = _centred_geometry(shape_kji, spacing_mm, direction)
    anatomy = build_anatomy(seed)
    motion_rng, noise_rng, landmark_rng = (np.random.default_rng([seed, stream]) for stream in (1, 2, 3))
    motion = random_breathing(motion_rng, anatomy.lungs_box_ras_mm, strength, max_offset_mm)
    inhale = _scan(anatomy, inhale_geometry or centred, None, noise_hu, noise_rng, disease)
    exhale = _scan(anatomy, exhale_geometry or centred, motion, noise_hu, noise_rng, disease)
    landmarks = _landmarks(anatomy, motion, inhale, exhale, landmark_count, landmark_rng)
    return BreathingPhantom(
        inhale=Volume(inhale.hu, inhale.geometry, "inhale"),
        exhale=Volume(exhale.hu, exhale.geometry, "exhale"),
        inhale_lungs=inhale.lobes > 0,
        exhale_lungs=exhale.lobes > 0,
        inhale_lobes=inhale.lobes,
        motion=motion,
        landmarks_inhale_ras_mm=landmarks,
        landmarks_exhale_ras_mm=motion.inhale_to_exhale(landmarks),
    )


@dataclass(frozen=True, eq=False)
class _Scan:
    """HU (int16) and lobe numbers (uint8), (K, J, I)."""

    hu: np.ndarray
    lobes: np.ndarray
    geometry: ImageGeometry

    def shows_lung(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """(N,) bool: the voxel nearest to each point is lung."""
        kji = np.rint(transform_points(self.geometry.ras_to_ijk, points_ras_mm)).astype(int)[:, ::-1]
        inside = ((kji >= 0) & (kji < self.lobes.shape)).all(1)
        shown: np.ndarray = inside & (self.lobes[tuple(np.where(inside[:, None], kji, 0).T)] > 0)
        return shown


def _centred_geometry(
    shape_kji: tuple[int, int, int], spacing_mm: ArrayLike, direction: ArrayLike | None
) -> ImageGeometry:
    spacing = np.broadcast_to(np.asarray(spacing_mm, float), 3)
    at_origin = ImageGeometry.from_spacing(shape_kji, spacing, direction=direction)
    return ImageGeometry.from_spacing(shape_kji, spacing, -at_origin.corners_ras_mm().mean(0), direction)


def _scan(
    anatomy: Anatomy,
    geometry: ImageGeometry,
    motion: BreathingMotion | None,
    noise_hu: float,
    rng: np.random.Generator,
    disease: Disease,
) -> _Scan:
    """Image the anatomy through the motion (exhale) or as it is (inhale), slab by slab."""
    density = _in_focus(anatomy.density, geometry)
    hu = np.empty(geometry.shape_kji, np.int16)
    lobes = np.empty(geometry.shape_kji, np.uint8)
    for slab, points in _slabs(geometry):
        determinant: float | torch.Tensor = 1.0
        if motion is not None:
            points, determinant = motion.exhale_to_inhale_with_determinant(points)
        where = _to_norm(points)
        parenchyma, rest = read_image(density, where)[0].T
        measured = 1000 * disease.density(parenchyma, rest, determinant, points) - 1000
        noise = noise_hu * rng.standard_normal(len(points), dtype=np.float32)
        hu[slab] = np.clip(np.rint(measured.numpy() + noise), -1024, 3071).reshape(hu[slab].shape)
        distances = read_image(anatomy.distances, where)[0].T.numpy()
        lobes[slab] = lobe_labels(points[:, 0].numpy(), *distances).reshape(hu[slab].shape)
    return _Scan(hu, lobes, geometry)


def _slabs(geometry: ImageGeometry) -> Iterator[tuple[slice, torch.Tensor]]:
    """Some slices at a time, with the float32 RAS mm points (N, 3) of their voxels."""
    slices, rows, columns = geometry.shape_kji
    thickness = max(1, _VOXELS_AT_ONCE // (rows * columns))
    for first in range(0, slices, thickness):
        slab = slice(first, min(first + thickness, slices))
        matrix = geometry.ijk_to_ras.copy()
        matrix[:3, 3] += first * matrix[:3, 2]
        points = ImageGeometry((slab.stop - first, rows, columns), matrix).points_ras_mm()
        yield slab, torch.from_numpy(points.reshape(-1, 3)).float()


def _to_norm(points_ras_mm: torch.Tensor) -> torch.Tensor:
    """Tissue points (N, 3) in the cube (1, N, 3), (z, y, x), that both anatomy grids fill."""
    low, high = points_ras_mm.new_tensor(TISSUE_LOW_RAS_MM), points_ras_mm.new_tensor(TISSUE_HIGH_RAS_MM)
    return ((points_ras_mm - low) / (high - low) * 2 - 1).flip(-1)[None]


def _in_focus(density: torch.Tensor, geometry: ImageGeometry) -> torch.Tensor:
    """The density as blurred by a scanner whose voxels are of this size."""
    sigma = _BLUR * geometry.voxel_volume_mm3 ** (1 / 3) / FINE_MM
    radius = int(np.ceil(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in (2, 3, 4):
        padding = [0, 0, 0, 0, 0, 0]
        padding[2 * (4 - axis) : 2 * (4 - axis) + 2] = radius, radius
        padded = F.pad(density, padding, mode="replicate")
        density = torch.zeros_like(density)
        for i, weight in enumerate(kernel.tolist()):
            density.add_(padded.narrow(axis, i, density.shape[axis]), alpha=weight)
    return density


def _landmarks(
    anatomy: Anatomy, motion: BreathingMotion, inhale: _Scan, exhale: _Scan, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Inhale points (count, 3): vessel branches first, then places anywhere in the lungs, seen by both scans."""
    voxels_kji = np.argwhere(inhale.lobes > 0)
    chosen_kji = rng.choice(voxels_kji, min(4 * count, len(voxels_kji)), replace=False)
    anywhere_ijk = (chosen_kji + rng.uniform(-0.4, 0.4, chosen_kji.shape))[:, ::-1]
    anywhere_ras_mm = transform_points(inhale.geometry.ijk_to_ras, anywhere_ijk)
    candidates = np.concatenate([rng.permutation(anatomy.branch_points_ras_mm), anywhere_ras_mm])
    seen = inhale.shows_lung(candidates)
    seen[seen] = exhale.shows_lung(motion.inhale_to_exhale(candidates[seen]))
    if seen.sum() < count:
        raise SettingsError(
            f"The two scans show too little of the same lung for {count} landmarks ({seen.sum()} found). "
            "Use grids that overlap more, or ask for fewer landmarks."
        )
    landmarks: np.ndarray = candidates[seen][:count]
    return landmarks
