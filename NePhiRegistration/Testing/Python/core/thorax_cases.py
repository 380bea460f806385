"""A thorax drawn by formulas in RAS mm, so that the truth is known on any voxel grid."""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume

FIELD_OF_VIEW_MM = np.array([320.0, 240.0, 270.0])  # right, anterior, superior
_a, _b = radians(15), radians(-10)
_TURN = np.array([[cos(_a), -sin(_a), 0], [sin(_a), cos(_a), 0], [0, 0, 1]]) @ np.array(
    [[1, 0, 0], [0, cos(_b), -sin(_b)], [0, sin(_b), cos(_b)]]
)
# The patient's direction in which i, j, k grow, as columns in RAS.
DIRECTIONS_RAS = {
    "RAS": np.eye(3),
    "LAS": np.diag([-1.0, 1.0, 1.0]),
    "LPS": np.diag([-1.0, -1.0, 1.0]),
    "sagittal slices, head first": np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, -1.0, 0]]),
    "oblique left-handed": _TURN @ np.diag([1.0, 1.0, -1.0]),
}


@dataclass(frozen=True)
class Thorax:
    """Image and parts; the parts are (K, J, I) bool."""

    volume: Volume
    lungs: np.ndarray
    vessels: np.ndarray
    airways: np.ndarray
    gas: np.ndarray
    outside: np.ndarray


def grid(direction="RAS", spacing_mm=(3.0, 3.0, 3.0), centre_ras_mm=(0.0, 0.0, 0.0), extent_mm=FIELD_OF_VIEW_MM):
    """A grid with these axes whose middle is there; extent_mm is in the order right, anterior, superior."""
    matrix = DIRECTIONS_RAS[direction]
    along_ijk = np.asarray(extent_mm) @ np.abs(np.round(matrix))
    size_ijk = np.round(along_ijk / spacing_mm).astype(int)
    origin = np.asarray(centre_ras_mm) - matrix @ ((size_ijk - 1) / 2 * np.asarray(spacing_mm))
    return ImageGeometry.from_spacing(size_ijk[::-1], spacing_mm, origin, matrix)


def thorax(geometry: ImageGeometry, lung_hu=-850.0, dense_back_hu=0.0, noise_hu=15.0, name="fixed") -> Thorax:
    """Body, two lungs with vessels, trachea and main bronchi with walls, gas in the colon, a table; air elsewhere.

    Args:
        lung_hu: of the lung in front.
        dense_back_hu: what the back of the lung has more.
    """
    x, y, z = np.moveaxis(geometry.points_ras_mm(), -1, 0)
    body = (x / 150) ** 2 + (y / 100) ** 2 < 1
    fat = body & ((x / 142) ** 2 + (y / 92) ** 2 >= 1)
    lungs = ellipsoid(x, y, z, (70, 0, 10), (50, 70, 100)) | ellipsoid(x, y, z, (-70, 0, 10), (50, 70, 100))
    vessels = lungs & (np.hypot((x - 10) % 24 - 12, y % 24 - 12) < 2.5)
    carina, top = (0.0, 0.0, 30.0), (0.0, 0.0, 200.0)
    bronchus_walls = [(carina, (side * 34.0, 0.0, 0.0), 9.0) for side in (-1, 1)]
    bronchi = [(carina, (side * 46.0, 0.0, -11.0), 6.0) for side in (-1, 1)]  # they open into the lungs
    walls = np.logical_or.reduce([tube(x, y, z, *t) for t in [(carina, top, 11.5), *bronchus_walls]])
    airways = np.logical_or.reduce([tube(x, y, z, *t) for t in [(carina, top, 8.5), *bronchi]])
    lungs &= ~walls & ~airways
    vessels &= lungs
    gas = ellipsoid(x, y, z, (-70, 20, -118), (40, 30, 14))
    table = (np.abs(y + 112) < 6) & (np.abs(x) < 130)
    hu = np.select(
        [airways | gas, vessels, lungs, fat, body, table],
        [-1000.0, 30.0, lung_hu + dense_back_hu * np.clip(-y / 70, 0, 1), -100.0, 45.0, -150.0],
        -1000.0,
    )
    hu += np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    volume = Volume(np.round(hu).astype(np.int16), geometry, name)
    return Thorax(volume, lungs, vessels, airways & walls, gas, ~body)


def ellipsoid(x, y, z, centre_mm, radii_mm) -> np.ndarray:
    return sum(((p - c) / r) ** 2 for p, c, r in zip((x, y, z), centre_mm, radii_mm)) < 1


def tube(x, y, z, start_mm, end_mm, radius_mm) -> np.ndarray:
    start, way = np.asarray(start_mm), np.subtract(end_mm, start_mm)
    share = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1] + (z - start[2]) * way[2]) / (way @ way), 0, 1)
    return sum((p - s - share * w) ** 2 for p, s, w in zip((x, y, z), start, way)) < radius_mm**2


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2.0 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))
