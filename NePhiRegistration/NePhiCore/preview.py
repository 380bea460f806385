"""What the optimisation has reached so far, as a coarse field, now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from .dense_evaluation import evaluate_map
from .displacement_field import DisplacementField
from .geometry import ImageGeometry
from .optimisation import Maps
from .placement import Placement

SPACING_MM = 10.0
_INTERVAL_S = 2.0
_LARGEST_SHARE = 0.05  # of the run's time that previews may take


class Previews:
    """Shows the present fixed-to-moving map every two seconds, less often where that costs more than a twentieth.

    Args:
        show: is given the field on a coarse grid over the fixed image.
        placement: the cubes of the pair.
        fixed: grid of the fixed image.
    """

    def __init__(self, show: Callable[[DisplacementField], None], placement: Placement, fixed: ImageGeometry) -> None:
        self._show = show
        self._cubes = placement.fixed_norm_to_ras, placement.moving_norm_to_ras
        self._geometry = fixed.with_spacing(SPACING_MM)
        self._next = time.monotonic()

    def offer(self, present_maps: Callable[[], Maps]) -> None:
        """Take the maps if it is time to show them; the optimisation itself is not touched."""
        start = time.monotonic()
        if start < self._next:
            return
        maps = present_maps()
        self._show(evaluate_map(maps.fixed_to_moving, maps.code, *self._cubes, self._geometry))
        end = time.monotonic()
        self._next = end + max(_INTERVAL_S, (end - start) / _LARGEST_SHARE)
