"""Inhale and exhale of one scan under a known motion, as the encoder sees them, with the truth.

The scan is the inhale image; the exhale image is the same scan seen through the motion,
its lungs denser by the volume they lost. Only what the encoder needs is made: two cubes of
SEARCH_SIZE voxels a side and both displacement fields. All of it happens on the subject's device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from NePhiCore.encoder import SEARCH_SIZE
from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid, read_image

from .field_of_view import random_view
from .motions import Motion, PointMap, random_motion
from .scanner import as_scanned
from .subjects import Subject, apply_matrix

Tensor = torch.Tensor

FIELD_SIZE = 48
_BOX_POINTS = 20_000
_FIXED_INHALE_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class IdealPair:
    """Both images as a perfect scanner would make them of healthy lungs, and where each point lies in the other.

    Attributes:
        inhale, exhale: SEARCH_SIZE^3; densities, not yet limited to [0, 1].
        inhale_to_exhale, exhale_to_inhale: (1, 3, 48, 48, 48) displacement over the first one's cube, cube units.
    """

    inhale: CubeImage
    exhale: CubeImage
    inhale_to_exhale: Tensor
    exhale_to_inhale: Tensor


@dataclass(frozen=True, eq=False)
class SimulatedPair:
    """Two images over their cubes and where each point of one lies in the other.

    Attributes:
        fixed, moving: SEARCH_SIZE^3.
        forth, back: (1, 3, 48, 48, 48) displacement over the fixed and over the moving cube, cube units.
        millimetres: (2, 3) millimetres in one cube unit along (z, y, x), of the fixed and the moving cube.
    """

    fixed: CubeImage
    moving: CubeImage
    forth: Tensor
    back: Tensor
    millimetres: np.ndarray


def simulate_pair(subject: Subject, rng: np.random.Generator) -> SimulatedPair:
    """Draw a motion, two fields of view, what the scanner makes of both images, and a direction."""
    device = subject.scan.device
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    motion = random_motion(subject.box_ras_mm, rng, generator)
    lungs = _box_points(subject, rng).to(device)
    views = random_view(lungs, rng), random_view(motion.inhale_to_exhale(lungs), rng)
    ideal = ideal_pair(subject, motion, *(view.norm_to_ras for view in views))
    inhale, exhale = (
        view.cropped(as_scanned(cube, rng, generator)) for view, cube in zip(views, (ideal.inhale, ideal.exhale))
    )
    sides = [(exhale, ideal.exhale_to_inhale), (inhale, ideal.inhale_to_exhale)]
    if rng.random() < _FIXED_INHALE_SHARE:
        sides.reverse()
    (fixed, forth), (moving, back) = sides
    millimetres = np.stack([np.linalg.norm(cube.norm_to_ras[:3, :3], axis=0) for cube in (fixed, moving)])
    return SimulatedPair(fixed, moving, forth, back, millimetres)


def ideal_pair(subject: Subject, motion: Motion, inhale_cube: np.ndarray, exhale_cube: np.ndarray) -> IdealPair:
    """A scan and what a motion makes of it, over two cubes given by their norm_to_ras (4, 4)."""
    device = subject.scan.device
    exhale_to_inhale = _field_between(motion.exhale_to_inhale, exhale_cube, inhale_cube, device)
    inhale_to_exhale = _field_between(motion.inhale_to_exhale, inhale_cube, exhale_cube, device)
    inhale = _cube_image(*subject.read(_voxel_points(device), inhale_cube), inhale_cube)
    exhale = _exhale_image(subject, motion, exhale_to_inhale, inhale_cube, exhale_cube)
    return IdealPair(inhale, exhale, inhale_to_exhale, exhale_to_inhale)


def _box_points(subject: Subject, rng: np.random.Generator) -> Tensor:
    """(N, 3) points all over the lungs, the outermost voxels among them, RAS mm."""
    points = subject.lung_points_ras_mm
    ends = {int(f(points[:, axis])) for axis in range(3) for f in (np.argmin, np.argmax)}
    chosen = rng.choice(len(points), min(_BOX_POINTS, len(points)), replace=False)
    return torch.from_numpy(points[np.union1d(chosen, list(ends))])


def _field_between(move: PointMap, start_cube: np.ndarray, end_cube: np.ndarray, device: torch.device) -> Tensor:
    """(1, 3, 48, 48, 48) displacement in cube units over the cube that the map starts from."""
    lattice = cube_grid((FIELD_SIZE,) * 3, device).reshape(-1, 3).double()
    mapped = apply_matrix(np.linalg.inv(end_cube), move(apply_matrix(start_cube, lattice)))
    return (mapped - lattice).T.reshape(1, 3, *(FIELD_SIZE,) * 3).float()


def _exhale_image(
    subject: Subject, motion: Motion, field: Tensor, inhale_cube: np.ndarray, exhale_cube: np.ndarray
) -> CubeImage:
    """The scan seen through the motion, denser where the lung shrank; the chest wall goes its own way.

    Each place of the lungs is read through `field`, the truth that goes with the image. The wall is read
    where it moved from only if that is no lung: there the lungs have made room for it.
    """
    points = _voxel_points(field.device)
    density, lungs = subject.read(points + read_image(field, points[None])[0], inhale_cube)
    wall_field = _field_between(motion.wall_to_inhale, exhale_cube, inhale_cube, field.device)
    wall, wall_lungs = subject.read(points + read_image(wall_field, points[None])[0], inhale_cube)
    density = torch.lerp(density, wall, (1 - lungs) * (1 - wall_lungs))
    volume_ratio = float(np.abs(np.linalg.det(inhale_cube) / np.linalg.det(exhale_cube)))
    growth = read_image(_determinant(field, volume_ratio), points[None])[0, :, 0].clamp(0.3, 4)
    return _cube_image(density * (1 + lungs * (growth - 1)), lungs, exhale_cube)


def _cube_image(density: Tensor, lungs: Tensor, cube: np.ndarray) -> CubeImage:
    """Readings (N,) at the voxels."""
    return CubeImage(*(values.reshape(1, 1, *(SEARCH_SIZE,) * 3) for values in (density, lungs)), cube)


def _voxel_points(device: torch.device) -> Tensor:
    """(SEARCH_SIZE^3, 3) the cube's voxels: finer than the scans are, as the search has them finer than most CT."""
    return cube_grid((SEARCH_SIZE,) * 3, device).reshape(-1, 3)


def _determinant(field: Tensor, volume_ratio: float) -> Tensor:
    """(1, 1, n, n, n) det J of x + u(x) in millimetres: the local volume at inhale over that at exhale."""
    step = 2.0 / (field.shape[2] - 1)
    rows = torch.stack(torch.gradient(field[0], spacing=step, dim=(1, 2, 3)), 1)
    jacobian = rows.permute(2, 3, 4, 0, 1) + torch.eye(3, device=field.device)
    a, b, c = jacobian.unbind(-2)
    return ((a * torch.linalg.cross(b, c)).sum(-1) * volume_ratio)[None, None]
