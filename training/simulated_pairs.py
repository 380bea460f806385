"""Inhale and exhale of one scan under a known motion, as the encoder sees them, with the truth.

The scan is the inhale image; the exhale image is the same scan seen through the motion,
its lungs denser by the volume they lost. Only what the encoder needs is made: two cubes of
80 voxels a side and both displacement fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from NePhiCore.breathing_motion import random_breathing
from NePhiCore.encoder import SEARCH_SIZE
from NePhiCore.features import gaussian_blur
from NePhiCore.geometry import transform_points
from NePhiCore.preprocessing import MARGIN_MM, CubeImage, to_cube
from NePhiCore.sampling import cube_grid, read_image

from .random_fields import inverse_at, random_fields
from .subjects import Subject

Tensor = torch.Tensor
PointMap = Callable[[np.ndarray], np.ndarray]

FIELD_SIZE = 48
_SURFACE_POINTS = 20_000
_SMOOTH_SHARE = 0.3  # of the pairs move by a random smooth field instead of by simulated breathing
_CUT_SHARE = 0.15  # of the images end inside the lungs


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


@dataclass(frozen=True)
class _Motion:
    """Both directions, RAS mm."""

    exhale_to_inhale: PointMap
    inhale_to_exhale: PointMap


def simulate_pair(subject: Subject, rng: np.random.Generator) -> SimulatedPair:
    """Draw a motion, an exhale image and a direction."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    surface = _lung_points(subject, rng)
    motion = _random_motion(subject, surface, rng, generator)
    inhale_cube = _cube_around(surface, rng)
    exhale_cube = _cube_around(motion.inhale_to_exhale(surface), rng)
    exhale_field = _field_between(motion.exhale_to_inhale, exhale_cube, inhale_cube)
    inhale_field = _field_between(motion.inhale_to_exhale, inhale_cube, exhale_cube)
    inhale = to_cube(subject.volume, subject.lungs, inhale_cube, (SEARCH_SIZE,) * 3)
    exhale = _seen_through(subject, exhale_field, inhale_cube, exhale_cube)
    inhale, exhale = (_as_scanned(cube, rng, generator) for cube in (inhale, exhale))
    sides = [(exhale, exhale_field), (inhale, inhale_field)]
    if rng.random() < 0.4:
        sides.reverse()
    (fixed, forth), (moving, back) = sides
    millimetres = np.stack([np.linalg.norm(cube.norm_to_ras[:3, :3], axis=0) for cube in (fixed, moving)])
    return SimulatedPair(fixed, moving, forth, back, millimetres)


def _lung_points(subject: Subject, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) points all over the lungs, the outermost voxels among them; sometimes the scan ends inside."""
    points = transform_points(subject.volume.geometry.ijk_to_ras, np.argwhere(subject.lungs)[:, ::-1].astype(float))
    ends = {int(f(points[:, axis])) for axis in range(3) for f in (np.argmin, np.argmax)}
    chosen = rng.choice(len(points), min(_SURFACE_POINTS, len(points)), replace=False)
    return points[np.union1d(chosen, list(ends))]


def _random_motion(subject: Subject, surface: np.ndarray, rng, generator: torch.Generator) -> _Motion:
    """Simulated breathing, or a random smooth field over the lungs; with a turn of the patient."""
    if rng.random() < _SMOOTH_SHARE:
        return _smooth_motion(surface, generator)
    breathing = random_breathing(rng, subject.box_ras_mm, strength=rng.uniform(0.4, 1.4))
    centre = subject.box_ras_mm.mean(0)
    turn = _rotation(np.radians(rng.normal(size=3) * 3))

    def exhale_to_inhale(points: np.ndarray) -> np.ndarray:
        return breathing.exhale_to_inhale((points - centre) @ turn.T + centre)

    def inhale_to_exhale(points: np.ndarray) -> np.ndarray:
        return (breathing.inhale_to_exhale(points) - centre) @ turn + centre

    return _Motion(exhale_to_inhale, inhale_to_exhale)


def _smooth_motion(surface: np.ndarray, generator: torch.Generator) -> _Motion:
    field = random_fields(1, generator)
    norm_to_ras = _box_to_ras(surface.min(0) - MARGIN_MM, surface.max(0) + MARGIN_MM)
    ras_to_norm = np.linalg.inv(norm_to_ras)

    def through(move: Callable[[Tensor], Tensor]) -> PointMap:
        def mapped(points: np.ndarray) -> np.ndarray:
            norm = torch.tensor(transform_points(ras_to_norm, points), dtype=torch.float32)[None]
            return transform_points(norm_to_ras, move(norm)[0].double().numpy())

        return mapped

    return _Motion(through(lambda p: p + read_image(field, p)), through(lambda p: inverse_at(field, p, 25)))


def _rotation(angles: np.ndarray) -> np.ndarray:
    """(3, 3) of a small rotation vector, radians (Rodrigues)."""
    angle = max(float(np.linalg.norm(angles)), 1e-12)
    x, y, z = angles / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _cube_around(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(4, 4) norm_to_ras; masks are never quite right, so the box is a few millimetres off."""
    low, high = points.min(0) - MARGIN_MM, points.max(0) + MARGIN_MM
    if rng.random() < _CUT_SHARE:  # the field of view ends inside the lungs
        cut = rng.uniform(0, 0.12) * (high[2] - low[2])
        if rng.random() < 0.7:
            low[2] += cut
        else:
            high[2] -= cut
    return _box_to_ras(low + rng.normal(size=3) * 1.5, high + rng.normal(size=3) * 1.5)


def _box_to_ras(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag((high - low) / 2)[:, ::-1]
    matrix[:3, 3] = (high + low) / 2
    return matrix


def _field_between(move: PointMap, start_cube: np.ndarray, end_cube: np.ndarray) -> Tensor:
    """(1, 3, 48, 48, 48) displacement in cube units over the cube that the map starts from."""
    lattice = cube_grid((FIELD_SIZE,) * 3).reshape(-1, 3).double().numpy()
    mapped = transform_points(np.linalg.inv(end_cube), move(transform_points(start_cube, lattice)))
    return torch.tensor((mapped - lattice).T.reshape(1, 3, *(FIELD_SIZE,) * 3), dtype=torch.float32)


def _seen_through(subject: Subject, field: Tensor, inhale_cube: np.ndarray, exhale_cube: np.ndarray) -> CubeImage:
    """The exhale image over its cube: eight readings of the scan a voxel, denser where the lung shrank."""
    fine = (2 * SEARCH_SIZE,) * 3
    points = _sub_points().reshape(1, -1, 3)
    mapped = (points + read_image(field, points))[0].double().numpy()
    geometry = subject.volume.geometry
    ijk = transform_points(geometry.ras_to_ijk @ inhale_cube, mapped)
    unit = ijk / (np.array(geometry.shape_kji[::-1]) - 1) * 2 - 1
    where = torch.tensor(unit[:, ::-1].copy(), dtype=torch.float32)[None]
    source = torch.from_numpy(np.stack([(subject.volume.hu + 1000.0) / 1000, subject.lungs]).astype(np.float32))[None]
    density, lungs = read_image(source, where)[0].T
    lungs = lungs * (where[0].abs().amax(-1) <= 1)
    growth = _determinant(field, np.abs(np.linalg.det(inhale_cube) / np.linalg.det(exhale_cube)))
    growth = read_image(growth, points)[0, :, 0].clamp(0.3, 4)
    density = density.clamp(0, 1) * (1 + lungs * (growth - 1))
    image, share = (F.avg_pool3d(value.reshape(1, 1, *fine), 2) for value in (density, lungs))
    return CubeImage(image, share, exhale_cube)


def _sub_points() -> Tensor:
    """(160, 160, 160, 3) two positions a voxel along each axis, of a cube of 80 voxels corner to corner."""
    centre = torch.linspace(-1, 1, SEARCH_SIZE)
    quarter = 0.25 * 2 / (SEARCH_SIZE - 1)
    axis = torch.stack([centre - quarter, centre + quarter], 1).flatten()
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def _determinant(field: Tensor, volume_ratio: float) -> Tensor:
    """(1, 1, n, n, n) det J of x + u(x) in millimetres: the local volume at inhale over that at exhale."""
    step = 2.0 / (field.shape[2] - 1)
    rows = torch.stack(torch.gradient(field[0], spacing=step, dim=(1, 2, 3)), 1)
    jacobian = rows.permute(2, 3, 4, 0, 1) + torch.eye(3)
    return (torch.linalg.det(jacobian) * volume_ratio)[None, None]


def _as_scanned(cube: CubeImage, rng: np.random.Generator, generator: torch.Generator) -> CubeImage:
    """What a scanner, a disease and an imperfect mask make of an image."""
    image, lungs = cube.image, cube.lungs
    grid = cube_grid((SEARCH_SIZE,) * 3)
    gravity = rng.uniform(-0.02, 0.08) * grid[..., 1] * -0.5  # denser towards the back, which is -y
    image = image + lungs * gravity
    for _ in range(rng.poisson(0.6)):  # consolidations and bullae
        centre = torch.tensor(rng.uniform(-0.7, 0.7, 3), dtype=torch.float32)
        radius = rng.uniform(0.04, 0.2)
        blob = torch.exp(-((grid - centre).square().sum(-1)) / (2 * radius**2))
        image = image + lungs * blob * rng.uniform(-0.15, 0.5)
    if rng.random() < 0.5:
        image = gaussian_blur(image, float(rng.uniform(0.3, 0.8)))
    image = image + float(rng.uniform(0, 0.035)) * torch.randn(image.shape, generator=generator)
    rough = F.interpolate(torch.randn(1, 1, 12, 12, 12, generator=generator), size=image.shape[2:], mode="trilinear")
    lungs = (lungs + 0.2 * rng.random() * rough * (lungs > 0) * (lungs < 1)).clamp(0, 1)
    if rng.random() < 0.2:  # part of the lung is missed, as masks miss consolidations
        centre = torch.tensor(rng.uniform(-0.8, 0.8, 3), dtype=torch.float32)
        lungs = lungs * ((grid - centre).norm(dim=-1) > rng.uniform(0.1, 0.25))
    return CubeImage(image.clamp(0, 1), lungs, cube.norm_to_ras)
