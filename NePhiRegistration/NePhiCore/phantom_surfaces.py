"""The surfaces of the phantom's thorax as signed distances on a coarse grid: negative inside, mm.

The tissue frame is RAS mm with the origin in the middle of the lungs. Distances are exact near
their surfaces and smooth, so that a coarse grid holds them and finer grids are read off it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The coarse grid: centres of the first and last voxel, and spacing. A little off round numbers, so that scans
# on round grids read between its voxels as warped scans do, and both are equally sharp.
TISSUE_LOW_RAS_MM = np.array([-180.3, -138.3, -195.3])
TISSUE_HIGH_RAS_MM = np.array([179.7, 137.7, 170.7])
COARSE_MM = 3.0
MIDLINE_X_MM = -4.0
_LUNG_BASE_MM, _LUNG_APEX_MM = -118.0, 116.0


@dataclass(frozen=True)
class Proportions:
    """One patient: half widths and heights in mm, drawn by ``random_proportions``."""

    cage_x: float
    cage_y: float
    fat: float
    right_dome: float
    left_dome: float
    heart: float
    rib_phase: float
    fissure_tilt: float


def random_proportions(rng: np.random.Generator) -> Proportions:
    return Proportions(
        cage_x=rng.uniform(122, 134),
        cage_y=rng.uniform(80, 90),
        fat=rng.uniform(10, 20),
        right_dome=rng.uniform(-66, -52),
        left_dome=rng.uniform(-76, -64),
        heart=rng.uniform(0.88, 1.08),
        rib_phase=rng.uniform(0, 20),
        fissure_tilt=rng.uniform(0.8, 1.0),
    )


def coarse_axes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (1, 1, I), y (1, J, 1) and z (K, 1, 1) of the coarse voxels, RAS mm float32."""
    shapes = [(1, 1, -1), (1, -1, 1), (-1, 1, 1)]
    x, y, z = (
        np.arange(low, high + 1e-6, COARSE_MM, dtype=np.float32).reshape(shape)
        for low, high, shape in zip(TISSUE_LOW_RAS_MM, TISSUE_HIGH_RAS_MM, shapes, strict=True)
    )
    return x, y, z


def coarse_points_ras_mm() -> np.ndarray:
    """(K, J, I, 3) float32 centres of the coarse voxels."""
    return np.stack(np.broadcast_arrays(*coarse_axes()), -1)


def thorax_distances(shape: Proportions) -> dict[str, np.ndarray]:
    """Signed distance (K, J, I) float32 mm on the coarse grid for every surface, by name."""
    x, y, z = coarse_axes()
    cage = _rib_cage(shape, x, y, z)
    half_x, half_y, half_z = (shape.heart * half for half in (52, 44, 56))
    heart = _ellipsoid(x + 18 - 0.4 * (z + 52), y - 20 + 0.2 * (x + 18), z + 52, half_x, half_y, half_z)
    spine = _spine(shape, x, y, z)
    mediastinum = _mediastinum(shape, x, y, z, heart, spine)
    diaphragm = _diaphragm(shape, x, y, z)
    body_x, body_y = shape.cage_x + 24 + shape.fat, shape.cage_y + 22 + shape.fat
    outline = np.abs(x / body_x) ** 2.6 + np.abs((y + 4) / body_y) ** 2.6 + 0 * z
    body = _distance(body_y * (outline ** (1 / 2.6) - 1))
    oblique, horizontal = _fissures(shape, x, y, z)
    surfaces = {
        "body": body,
        "muscle": np.maximum(body + shape.fat, 2 - cage),
        "fat_plane": np.maximum(body + shape.fat + 3, np.maximum(np.abs((cage - 8) % 13 - 6.5) - 1.0, cage - 34)),
        "cage": cage,
        "heart": heart,
        "diaphragm": diaphragm,
        "lungs": np.maximum(np.maximum(cage, -mediastinum), diaphragm),
        "oblique": oblique,
        "horizontal": horizontal,
        **_bones(shape, x, y, z, cage),
        **_abdomen(x, y, z, cage, diaphragm),
    }
    return {name: np.ascontiguousarray(distance, np.float32) for name, distance in surfaces.items()}


def _rib_cage(shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The inner wall of the chest: a superellipse that closes over two separate apices."""
    height = np.clip((z - _LUNG_BASE_MM) / (_LUNG_APEX_MM - _LUNG_BASE_MM), 0, 1.5)
    apex_x = 38 * np.minimum(height, 1) ** 2
    across = np.abs(np.abs(x) - apex_x) / (shape.cage_x - apex_x)
    deep = np.abs((y + 8 * height**2) / shape.cage_y)
    return _distance(shape.cage_y / 2 * (across**2.3 + deep**2.3 + height**4 - 1))


def _spine(shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Vertebral bodies as one column, curved backwards in the middle of the chest."""
    return _ellipse(x, y - _spine_y(shape, z), 19, 16)


def _spine_y(shape: Proportions, z: np.ndarray) -> np.ndarray:
    middle: np.ndarray = 9 - shape.cage_y + 6 * (np.clip(z - 10, -160, 140) / 140) ** 2
    return middle


def _mediastinum(
    shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray, heart: np.ndarray, spine: np.ndarray
) -> np.ndarray:
    """Everything between the lungs: great vessels, heart, aorta, spine, and a septum before and behind them."""
    height = np.clip(z / _LUNG_APEX_MM, 0, 1)
    great_vessels = _ellipse(x, y + 2 + 8 * height, 29 - 7 * height, 44 - 10 * height) + np.maximum(-z - 30, 0)
    aorta = _ellipse(x + 21, y - _spine_y(shape, z) - 24, 14, 14) + np.maximum(z - 50, 0)
    septum = np.abs(x - MIDLINE_X_MM) - 5 + 0 * y + 0 * z
    parts = [heart - 4, spine - 5, great_vessels, aorta, septum]
    joined: np.ndarray = -5 * np.logaddexp.reduce([-part / 5 for part in np.broadcast_arrays(*parts)])
    return joined


def _diaphragm(shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Two domes, the right one higher; negative above them."""
    lateral = np.maximum(np.abs(x) - 48, 0) / (shape.cage_x - 48)
    sagittal = (y - 12) / shape.cage_y
    right = 1 / (1 + np.exp(-x / 12))
    top = shape.left_dome + (shape.right_dome - shape.left_dome) * right
    dome = top - 50 * lateral**2 - np.where(sagittal < 0, 56, 36) * sagittal**2
    return _distance(dome - z)


def _fissures(shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Oblique (positive above) and horizontal (positive above), gently curved."""
    waves = 5 * np.sin(x / 28 + 1) * np.sin(y / 37 + z / 51)
    oblique = z - 42 + shape.fissure_tilt * (y + 72) + np.where(x < 0, -6, 0) + waves
    horizontal = z - 4 - 0.08 * y - 6 * np.cos((y - 20) / 45) + 4 * np.sin(x / 24) + 0 * oblique
    return _distance(oblique), _distance(horizontal)


def _bones(shape: Proportions, x: np.ndarray, y: np.ndarray, z: np.ndarray, cage: np.ndarray) -> dict[str, np.ndarray]:
    angle = np.arctan2(np.abs(x), -y)  # 0 at the spine, pi at the sternum
    drop = 40 * np.minimum(angle, 2.2) - 40 * np.maximum(angle - 2.2, 0)
    turn = (118 - shape.rib_phase - drop - z) / 22
    beside_rib = (turn - np.clip(np.round(turn), 0, 11)) * 22 * 0.85
    hoops = (np.hypot((cage - 6.5) / 4, beside_rib / 6) - 1) * 4
    ribs = np.maximum(hoops, (angle - 2.3) * 60)
    cartilage = np.maximum(hoops, (2.3 - angle) * 60)
    sternum = np.maximum(np.maximum(np.abs(cage - 8) - 5.5, np.abs(x) - 17), np.maximum(np.abs(z - 12) - 70, -y))
    scapula = np.maximum(np.abs(cage - 22) - 2.5, np.maximum(np.abs(angle - 1.0) - 0.36, np.abs(z - 62) - 55))
    behind = y - _spine_y(shape, z)
    level = (z + shape.rib_phase) / 24
    beside_disc = np.abs(level - np.round(level)) * 24
    arch = np.maximum(np.abs(_ellipse(x, behind + 27, 12, 12)) - 3.5, 4 - beside_disc)
    spinous = np.maximum(np.maximum(np.abs(x) - 3.5, np.abs(behind + 44) - 11), 6 - beside_disc)
    transverse = np.maximum(np.maximum(np.abs(x) - 36, np.abs(behind + 24) - 4.5), 7 - beside_disc)
    transverse = np.maximum(transverse, 2 - cage)
    vertebrae = np.maximum(_ellipse(x, behind, 18, 15), 2.5 - beside_disc)
    bone = np.minimum.reduce(np.broadcast_arrays(ribs, sternum, scapula, vertebrae, arch, spinous, transverse))
    discs = np.maximum(_ellipse(x, behind, 18, 15), beside_disc - 2.5)
    return {
        "bone": bone,
        "cartilage": np.minimum(cartilage, discs),
        "canal": (_ellipse(x, behind + 26, 8.5, 8.5) + 0 * z),
    }


def _abdomen(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, cage: np.ndarray, diaphragm: np.ndarray
) -> dict[str, np.ndarray]:
    below = np.maximum(4 - diaphragm, cage + 3)
    liver = np.maximum(below, _ellipsoid(x - 55, y, z + 125, 100, 95, 72))
    stomach = np.maximum(below, _ellipsoid(x + 58, y - 14, z + 122, 42, 40, 36))
    spleen = np.maximum(below, _ellipsoid(x + 98, y + 36, z + 128, 24, 38, 42))
    bowel = np.maximum(np.maximum(below, z + 150), 8 * (0.2 - np.sin(x / 10) * np.sin(y / 9 + x / 25) * np.sin(z / 11)))
    liver = np.minimum(np.minimum(liver, spleen), bowel)
    return {
        "abdomen": np.maximum(-diaphragm, cage),
        "liver": liver,
        "stomach": stomach,
        "gas": np.maximum(stomach + 4, 18 - y),
    }


def _ellipse(x: np.ndarray, y: np.ndarray, half_x: float | np.ndarray, half_y: float | np.ndarray) -> np.ndarray:
    return _ellipsoid(x, y, np.float32(0), half_x, half_y, 1.0)


def _ellipsoid(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    half_x: float | np.ndarray,
    half_y: float | np.ndarray,
    half_z: float | np.ndarray,
) -> np.ndarray:
    """First-order distance to the surface of an ellipsoid around the origin."""
    radius = np.sqrt((x / half_x) ** 2 + (y / half_y) ** 2 + (z / half_z) ** 2)
    slope = np.sqrt((x / half_x**2) ** 2 + (y / half_y**2) ** 2 + (z / half_z**2) ** 2)
    distance: np.ndarray = (radius - 1) * radius / np.maximum(slope, 1e-3)
    return distance


def _distance(implicit: np.ndarray) -> np.ndarray:
    """A signed distance near the zero surface of a function that grows by about 1 a mm."""
    steepness = np.sqrt(sum(g**2 for g in np.gradient(implicit, COARSE_MM)))
    distance: np.ndarray = implicit / np.maximum(steepness, 0.3)
    return distance
