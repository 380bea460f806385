"""The Jacobian overlay: log-Jacobian colours over the slices, folds counted and visited one by one."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from . import determinant_colours, hidden_volumes, slice_layers
from .fold_list import Fold, find_folds
from .fold_nodes import FOLDS, LUNGS
from .segments import segment_array


class FoldOverlay:
    """Shows a determinant volume and knows the folds in it.

    Attributes:
        folds: groups of folded voxels at the present threshold, the largest first.
        folded_voxels, lung_voxels: counted in the lungs.
    """

    def __init__(self) -> None:
        self.folds: list[Fold] = []
        self.folded_voxels = 0
        self.lung_voxels = 0
        self._determinant = None
        self._volume = None
        self._legend = None
        self._box: tuple[slice, ...] = ()
        self._at = -1
        self._has_jumped = False

    @property
    def is_ready(self) -> bool:
        """Whether there is a determinant to look at."""
        return hidden_volumes.is_alive(self._determinant) and self.lung_voxels > 0

    @property
    def fold_fraction(self) -> float:
        """Share of the lung voxels that are folded, [0, 1]."""
        return self.folded_voxels / max(self.lung_voxels, 1)

    def load(self, determinant, segmentation, threshold: float) -> None:
        """Take the nodes of a result and count.

        Args:
            determinant: volume of det J on the fixed grid.
            segmentation: its segments "Lungs" and "Folds"; without it every voxel counts as lung.
            threshold: det J at or below this counts as folded, besides what the segment "Folds" says.
        """
        self._determinant, self._at = determinant, -1
        values = slicer.util.arrayFromVolume(determinant)
        lungs = segment_array(segmentation, LUNGS, determinant)
        marked = segment_array(segmentation, FOLDS, determinant)
        lungs = np.ones(values.shape, bool) if lungs is None else lungs
        self._box = _box_of(lungs)
        values, lungs = values[self._box], lungs[self._box]
        folded = lungs & (values <= threshold)
        if marked is not None:
            folded |= lungs & marked[self._box]
        self.lung_voxels, self.folded_voxels = int(lungs.sum()), int(folded.sum())
        self.folds = find_folds(folded, values)
        self._fill(determinant_colours.log2_determinant(values, lungs, folded))

    def clear(self) -> None:
        """Forget the result and take what was drawn out of the scene."""
        self.hide()
        hidden_volumes.remove(self._volume)
        self._determinant = self._volume = self._legend = None
        self.folds, self.folded_voxels, self.lung_voxels, self._at = [], 0, 0, -1

    def show(self, opacity: float) -> None:
        if self.is_ready:
            slice_layers.show_foreground(self._volume, opacity)
            self._legend.SetVisibility(True)

    def hide(self) -> None:
        if hidden_volumes.is_alive(self._volume):
            slice_layers.show_foreground(None, 0.0)
            self._legend.SetVisibility(False)
        if self._has_jumped:
            self._has_jumped = False
            slice_layers.hide_crosshair()

    def step(self, by: int) -> tuple[int, np.ndarray] | None:
        """Jump all slices to the next (+1) or previous (-1) fold, round and round.

        Returns:
            Its number from 0 and its place (3,) in world RAS mm; None where there is no fold.
        """
        if not self.is_ready or not self.folds:
            return None
        self._at = (self._at + by) % len(self.folds) if self._at >= 0 or by > 0 else len(self.folds) - 1
        place_ras_mm = self._world_place(self.folds[self._at])
        slice_layers.jump_to(place_ras_mm)
        self._has_jumped = True
        return self._at, place_ras_mm

    def _world_place(self, fold: Fold) -> np.ndarray:
        first_ijk = [part.start for part in self._box[::-1]]
        matrix = vtk.vtkMatrix4x4()
        self._determinant.GetIJKToRASMatrix(matrix)
        local = matrix.MultiplyPoint((*(a + b for a, b in zip(fold.worst_ijk, first_ijk)), 1))[:3]
        to_world = vtk.vtkGeneralTransform()
        parent = self._determinant.GetParentTransformNode()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(parent, None, to_world)
        return np.array(to_world.TransformPoint(local))

    def _fill(self, values: np.ndarray) -> None:
        if not hidden_volumes.is_alive(self._volume):
            self._volume = hidden_volumes.hidden_volume("log2 det J")
            determinant_colours.paint(self._volume)
            self._legend = determinant_colours.add_legend(self._volume)
            self._legend.SetVisibility(False)
        first_ijk = tuple(part.start for part in self._box[::-1])
        hidden_volumes.fill(self._volume, values, self._determinant, first_ijk)


def _box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask; all of it where it is empty."""
    if not mask.any():
        return tuple(slice(0, size) for size in mask.shape)
    found = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return tuple(slice(int(where[0]), int(where[-1]) + 1) for where in found)
