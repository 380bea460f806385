"""What goes into a registration and what comes out of it as plain arrays, for a program that shows both.

No torch here: a viewer must be able to make and to take these while a child process computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .geometry import ImageGeometry
from .volume import Volume


@dataclass(frozen=True, eq=False)
class MaskPart:
    """A labelled image of which some voxels count as lung.

    Attributes:
        labels: (K, J, I) whole numbers, on any grid.
        geometry: of the labels, RAS mm.
        label: the number that counts; None is every number but 0.
    """

    labels: np.ndarray
    geometry: ImageGeometry
    label: int | None = None


@dataclass(frozen=True, eq=False)
class GridData:
    """Displacements on a grid.

    Attributes:
        displacement_ras_mm: (K, J, I, 3) float32.
        geometry: of the grid, RAS mm; orthonormal axes.
    """

    displacement_ras_mm: np.ndarray
    geometry: ImageGeometry


@dataclass(frozen=True, eq=False)
class PairInputs:
    """A pair and what is known about it.

    Attributes:
        fixed, moving: CT, HU.
        fixed_mask, moving_mask: parts that together are the lungs; () where they are to be found.
        initial: fixed to moving: a matrix (4, 4) RAS mm, a field, or None.
        fixed_landmarks_ras_mm, moving_landmarks_ras_mm: (N, 3), or None.
        lung_function: compute the lung function maps too.
        inhale: which image is at inhale for them, "fixed" or "moving"; None is the one with the larger lungs.
    """

    fixed: Volume
    moving: Volume
    fixed_mask: tuple[MaskPart, ...] = ()
    moving_mask: tuple[MaskPart, ...] = ()
    initial: np.ndarray | GridData | None = None
    fixed_landmarks_ras_mm: np.ndarray | None = None
    moving_landmarks_ras_mm: np.ndarray | None = None
    lung_function: bool = False
    inhale: Literal["fixed", "moving"] | None = None


@dataclass(frozen=True, eq=False)
class PairOutputs:
    """A finished registration.

    Attributes:
        fixed_to_moving, moving_to_fixed: both maps.
        warped: (K, J, I) moving image on the fixed grid, in the moving image's type, read through the cubic map.
        determinant: (K, J, I) float32 det J on the fixed grid.
        folds: (K, J, I) uint8 on the fixed grid, 1 where any one-sided determinant is <= 0.
        fixed_lungs: (K, J, I) uint8 on the fixed grid, given or found.
        figures: what report.json holds, the files excepted.
        lung_function: the maps on the fixed grid by the names of ``lung_function_names.MAPS``, (K, J, I), each made
            when it is called for: they are as large as the images; empty where not asked for.
    """

    fixed_to_moving: GridData
    moving_to_fixed: GridData
    warped: np.ndarray
    determinant: np.ndarray
    folds: np.ndarray
    fixed_lungs: np.ndarray
    figures: dict[str, object] = field(default_factory=dict)
    lung_function: dict[str, Callable[[], np.ndarray]] = field(default_factory=dict)
