"""A small cohort on disk: made-up scans with masks, the second lower than the first."""

from pathlib import Path

import numpy as np

from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import write_volume
from training import cohort_files

MASKED = "fixed,moving,fixed_mask,moving_mask"
LOWER_MM = 12.0  # two voxels


def prepare_small(monkeypatch) -> None:
    """Search a cube of 40 voxels a side instead of 80: a tenth of the time."""
    monkeypatch.setattr(cohort_files, "SEARCH_SIZE", 40)


def write_table(folder: Path, *lines: str, name="cohort.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def a_cohort(folder: Path, count=2, masks=True, inner_mm=0.0, apart_mm=0.0) -> Path:
    """The CSV of `count` pairs.

    Args:
        inner_mm: how much higher the content of the lungs lies in the second scan, besides.
        apart_mm: what lies between the two scans.
    """
    lines = [MASKED if masks else "fixed,moving"]
    for number in range(count):
        names = [f"p{number}-{part}.nii.gz" for part in ("fixed", "moving", "fixed-mask", "moving-mask")]
        for side, shift_mm in enumerate((0.0, -LOWER_MM)):
            hu, lungs, geometry = _scan(number, shift_mm, side * inner_mm, side * apart_mm)
            write_volume(folder / names[side], hu, geometry)
            write_volume(folder / names[side + 2], lungs, geometry)
        lines.append(",".join(names if masks else names[:2]))
    return write_table(folder, *lines)


def _scan(
    number: int, shift_mm: float, inner_mm: float, apart_mm: float
) -> tuple[np.ndarray, np.ndarray, ImageGeometry]:
    geometry = ImageGeometry.from_spacing((44, 32, 44), (6.0,) * 3, (-130.0, -95.0, -130.0 + apart_mm), np.eye(3))
    x, y, z = np.moveaxis(geometry.points_ras_mm() - [0, 0, shift_mm + apart_mm], -1, 0)
    lungs = ((np.abs(x) - 55) / 40) ** 2 + (y / 60) ** 2 + (z / 90) ** 2 < 1
    waves = 100 * np.sin(x / (7 + number)) * np.sin(y / 9) * np.sin((z - inner_mm) / 8)
    return np.where(lungs, -800 + waves, 30).astype(np.int16), lungs, geometry
