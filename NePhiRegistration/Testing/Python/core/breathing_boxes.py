"""Two box-shaped lungs that double their volume along one axis; every density and volume is known."""

from dataclasses import dataclass

import numpy as np

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume

STRETCH = 2.0  # along superior, from exhale to inhale
# Lungs at exhale, RAS mm: |x| between, |y| below, z between.
X_MM, Y_MM, Z_MM = (20.0, 80.0), 60.0, (0.0, 60.0)
# HU at exhale and inhale of what lies where x is positive (right) and negative (left), in front (y > 0) and behind.
RIGHT_FRONT, RIGHT_BACK = (-800.0, -900.0), (-930.0, -965.0)  # normal, and twice as light: emphysema
LEFT_FRONT, LEFT_BACK = (-880.0, -880.0), (-700.0, -850.0)  # small airways disease, normal
TISSUE_HU = 40.0


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan, its lungs, and the map to the other scan on a grid over it."""

    volume: Volume
    lungs: np.ndarray
    to_other: DisplacementField


def scan(state: str, spacing_mm=4.0, noise_hu=0.0, with_left=True) -> Scan:
    """The scan at "exhale" or "inhale"."""
    is_inhale = state == "inhale"
    shape = (int(160 / spacing_mm), int(144 / spacing_mm), int(184 / spacing_mm))
    # At 4 mm the lungs end where voxels end.
    origin = np.array([-92.0, -72.0, -20.0]) + spacing_mm / 2
    geometry = ImageGeometry.from_spacing(shape, spacing_mm, origin)
    points = geometry.points_ras_mm()
    x, y, z = np.moveaxis(points, -1, 0)
    z_exhale = z / STRETCH if is_inhale else z
    lungs = (np.abs(x) > X_MM[0]) & (np.abs(x) < X_MM[1]) & (np.abs(y) < Y_MM)
    lungs &= (z_exhale > Z_MM[0]) & (z_exhale < Z_MM[1])
    if not with_left:
        lungs &= x > 0
    kinds = [(x > 0) & (y > 0), x > 0, y > 0]
    hu = np.select(kinds, [pair[is_inhale] for pair in (RIGHT_FRONT, RIGHT_BACK, LEFT_FRONT)], LEFT_BACK[is_inhale])
    hu = np.where(lungs, hu, TISSUE_HU) + np.random.default_rng(is_inhale).normal(0, noise_hu, shape)
    factor = 1 / STRETCH if is_inhale else STRETCH
    displacement = np.zeros((*shape, 3), np.float32)
    displacement[..., 2] = (factor - 1) * z
    field = DisplacementField(displacement, geometry)
    volume = Volume(np.round(hu).astype(np.int16), geometry, state)
    return Scan(volume, lungs, field)
