"""Colours of the lung function maps and their legends; kept with the scene, as the maps are."""

from __future__ import annotations

import numpy as np
import slicer

from NePhiCore.lung_function_names import OUTSIDE, PRM_CLASSES, VENTILATION_COLOURS

from .colour_legend import colour_legend, label_by_name

_VENTILATION = "NePhi ventilation"
_RANGE = (min(VENTILATION_COLOURS), max(VENTILATION_COLOURS))
_SHOWN = (OUTSIDE + 0.05, 1e3)
_COLOURS, _LABELS = 251, 6
_PARAMETRIC_RESPONSE = "NePhi parametric response"


def show_ventilation(volume) -> None:
    """Give a ventilation volume its colours and a legend, with nothing drawn outside the lungs."""
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()  # the guess reads every voxel
    display.SetAndObserveColorNodeID(_ventilation_colours().GetID())
    display.SetWindowLevelMinMax(*_RANGE)
    display.SetThreshold(*_SHOWN)
    display.SetApplyThreshold(True)
    display.SetInterpolate(False)  # between lung and outside there is nothing
    legend = colour_legend(volume, "(in - ex) / ex", (0.14, 0.5))
    legend.SetNumberOfLabels(_LABELS)
    legend.SetLabelFormat("%.1f")


def show_parametric_response(labels) -> None:
    """Give a label map of the parametric response its colours and a legend of its classes."""
    labels.CreateDefaultDisplayNodes()
    labels.GetDisplayNode().SetAndObserveColorNodeID(_class_colours().GetID())
    label_by_name(colour_legend(labels, "Parametric response", (0.3, 0.4)), len(PRM_CLASSES) + 1)


def _ventilation_colours():
    found = slicer.mrmlScene.GetFirstNode(_VENTILATION, "vtkMRMLColorTableNode")
    if found is not None:
        return found
    node = _new_table(_VENTILATION, _COLOURS)
    node.GetLookupTable().SetTableRange(*_RANGE)
    values = np.linspace(*_RANGE, _COLOURS)
    channels = zip(*VENTILATION_COLOURS.values())
    colours = np.stack([np.interp(values, list(VENTILATION_COLOURS), channel) for channel in channels], -1) / 255
    for index, (value, colour) in enumerate(zip(values, colours)):
        node.SetColor(index, f"{value:.2f}", *map(float, colour), 1.0)
    return slicer.mrmlScene.AddNode(node)


def _class_colours():
    found = slicer.mrmlScene.GetFirstNode(_PARAMETRIC_RESPONSE, "vtkMRMLColorTableNode")
    if found is not None:
        return found
    node = _new_table(_PARAMETRIC_RESPONSE, len(PRM_CLASSES) + 1)
    node.SetColor(0, "no parenchyma", 0.0, 0.0, 0.0, 0.0)
    for each in PRM_CLASSES:
        node.SetColor(each.label, each.title, *(part / 255 for part in each.colour), 1.0)
    return slicer.mrmlScene.AddNode(node)


def _new_table(name: str, count: int):
    node = slicer.vtkMRMLColorTableNode()
    node.SetName(name)
    node.SetTypeToUser()
    node.SetNumberOfColors(count)
    # Slicer 5.6 names all colours after their red, green and blue when it is asked for a name for the first time.
    node.GetColorName(0)
    return node
