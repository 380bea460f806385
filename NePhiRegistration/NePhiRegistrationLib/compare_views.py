"""Looking at fixed and moving volume together: before, after, checkerboard, flicker, difference."""

from __future__ import annotations

import numpy as np
import qt
import slicer

from . import hidden_volumes, slice_layers
from .parameter_node import Compare
from .resampling import on_grid_of
from .volume_nodes import show_like, show_range

_FLICKER_MS = 600
_SQUARE_MM = 25.0
_DIFFERENCE_HU = 600.0
_NEEDS_WARPED = (Compare.AFTER, Compare.CHECKERBOARD, Compare.FLICKER, Compare.DIFFERENCE_AFTER)
_TITLES = {
    Compare.CHECKERBOARD: "Checkerboard",
    Compare.DIFFERENCE_BEFORE: "Moving minus fixed, before (HU)",
    Compare.DIFFERENCE_AFTER: "Moving minus fixed, after (HU)",
}


class CompareViews:
    """Puts one picture of a pair into the background of the slice views; overlays lie above it."""

    def __init__(self) -> None:
        self._pair = (None, None, None)
        self._made: dict[Compare, object] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(_FLICKER_MS)
        self._timer.timeout.connect(self._flick)
        self._flick_to_warped = False

    @property
    def is_flickering(self) -> bool:
        return self._timer.isActive()

    def set_pair(self, fixed, moving, warped) -> None:
        """Take the volumes to compare; any may be None. What was made of others is forgotten."""
        self.clear()
        self._pair = (fixed, moving, warped)

    def can_show(self, mode: Compare) -> bool:
        fixed, moving, warped = (hidden_volumes.is_alive(node) for node in self._pair)
        return fixed and moving and (warped or mode not in _NEEDS_WARPED)

    def show(self, mode: Compare) -> None:
        """Show a picture; one that cannot be made shows the fixed volume."""
        self._timer.stop()
        fixed, moving, warped = self._pair
        if not hidden_volumes.is_alive(fixed):
            return
        mode = mode if self.can_show(mode) else Compare.FIXED
        plain = {Compare.FIXED: fixed, Compare.BEFORE: moving, Compare.AFTER: warped, Compare.FLICKER: fixed}
        slice_layers.show_background(plain[mode] if mode in plain else self._made_volume(mode))
        if mode == Compare.FLICKER:
            self._flick_to_warped = False
            self._timer.start()

    def pause(self) -> None:
        """Stop flickering; `show` begins again."""
        self._timer.stop()

    def clear(self) -> None:
        """Stop flickering and take what was made out of the scene."""
        self._timer.stop()
        for node in self._made.values():
            hidden_volumes.remove(node)
        self._made = {}
        self._pair = (None, None, None)

    def _flick(self) -> None:
        if not self.can_show(Compare.FLICKER):
            self._timer.stop()
            return
        self._flick_to_warped = not self._flick_to_warped
        slice_layers.show_background(self._pair[2] if self._flick_to_warped else self._pair[0])

    def _made_volume(self, mode: Compare):
        if not hidden_volumes.is_alive(self._made.get(mode)):
            fixed, moving, warped = self._pair
            other = on_grid_of(fixed, moving if mode == Compare.DIFFERENCE_BEFORE else warped)
            here = slicer.util.arrayFromVolume(fixed)
            node = hidden_volumes.hidden_volume(_TITLES[mode])
            if mode == Compare.CHECKERBOARD:
                hidden_volumes.fill(node, checkerboard(here, other, _square(fixed)), fixed)
                show_like(node, fixed)
            else:
                hidden_volumes.fill(node, other.astype(np.int16) - here.astype(np.int16), fixed)
                show_range(node, -_DIFFERENCE_HU, _DIFFERENCE_HU)
            self._made[mode] = node
        return self._made[mode]


def checkerboard(first: np.ndarray, second: np.ndarray, square_kji: tuple[int, int, int]) -> np.ndarray:
    """Cubes of two images in turn.

    Args:
        first, second: (K, J, I) images on one grid; the first has the corner.
        square_kji: voxels of a cube's edges.
    """
    numbers = (np.arange(size) // step for size, step in zip(first.shape, square_kji))
    is_second = sum(np.ix_(*numbers)) % 2 == 1
    return np.where(is_second, second, first).astype(first.dtype)


def _square(volume) -> tuple[int, ...]:
    return tuple(max(1, round(_SQUARE_MM / step)) for step in volume.GetSpacing()[::-1])
