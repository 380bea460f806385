"""Colours of log2 det J: blue where the lung shrinks, red where it grows, one colour of its own for folds."""

from __future__ import annotations

import numpy as np
import slicer

from .colour_legend import colour_legend, label_by_name
from .hidden_volumes import hide

# From a quarter to four times the volume in steps of a quarter of log2; below them the steps that folds are drawn with.
# The legend makes room for a label at each step: more steps would make its letters too small to read.
LIMIT = 2.0
_STEPS, _STEP, _FOLD_STEPS = 17, 0.25, 2
FOLD_VALUE = -LIMIT - 1.5 * _STEP
OUTSIDE_VALUE = -100.0
FOLD_COLOUR = (1.0, 0.0, 0.83)
_STOPS = np.array([(0.13, 0.40, 0.67), (0.40, 0.66, 0.81), (0.90, 0.91, 0.92), (0.94, 0.54, 0.38), (0.70, 0.09, 0.17)])
_LABELS = {-2: "1/4", -1: "1/2", 0: "1", 1: "2", 2: "4"}
# Of the other steps: Slicer 5.6 leaves colours without a name out of the legend.
_NO_LABEL = " "
_NAME = "NePhi det J"

# Each colour is as wide as a step, with its value in the middle.
SCALAR_RANGE = (-LIMIT - (_FOLD_STEPS + 0.5) * _STEP, LIMIT + 0.5 * _STEP)


def log2_determinant(determinant: np.ndarray, lungs: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Values to show: clipped log2 det J in the lungs, FOLD_VALUE where folded, OUTSIDE_VALUE elsewhere.

    Args:
        determinant: (K, J, I) det J, unitless.
        lungs, folds: (K, J, I) bool.

    Returns:
        (K, J, I) float32.
    """
    values = np.full(determinant.shape, OUTSIDE_VALUE, np.float32)
    values[lungs] = np.log2(determinant[lungs].clip(np.float32(2**-LIMIT), np.float32(2**LIMIT)))
    values[folds] = FOLD_VALUE
    return values


def colour_node():
    """The colour table, made once a scene; its entries at whole numbers of log2 are named after det J."""
    found = slicer.mrmlScene.GetFirstNode(_NAME, "vtkMRMLColorTableNode")
    if found is not None:
        return found
    node = slicer.vtkMRMLColorTableNode()
    node.SetName(_NAME)
    node.SetTypeToUser()
    node.SetNumberOfColors(_FOLD_STEPS + _STEPS)
    # Slicer 5.6 names all colours after their red, green and blue when it is asked for a name for the first time.
    node.GetColorName(0)
    node.GetLookupTable().SetTableRange(*SCALAR_RANGE)
    for index in range(_FOLD_STEPS):
        node.SetColor(index, "fold" if index == 0 else _NO_LABEL, *FOLD_COLOUR, 1.0)
    for index in range(_STEPS):
        value = -LIMIT + index * _STEP
        place = np.linspace(-LIMIT, LIMIT, len(_STOPS))
        colour = (float(np.interp(value, place, channel)) for channel in _STOPS.T)
        node.SetColor(_FOLD_STEPS + index, _LABELS.get(value, _NO_LABEL), *colour, 1.0)
    hide(node)
    return slicer.mrmlScene.AddNode(node)


def paint(volume) -> None:
    """Give a volume of `log2_determinant` these colours, with nothing drawn outside the lungs."""
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID(colour_node().GetID())
    display.SetWindowLevelMinMax(*SCALAR_RANGE)
    display.SetThreshold(*SCALAR_RANGE)
    display.SetApplyThreshold(True)
    # Between voxels of different meaning (lung, fold, outside) there is nothing to interpolate.
    display.SetInterpolate(False)


def add_legend(volume):
    """A legend of det J beside the slices; returns its display node."""
    legend = colour_legend(volume, "det J", (0.16, 0.6))
    hide(legend)
    label_by_name(legend, _FOLD_STEPS + _STEPS)
    return legend
