"""Legends of colours beside the slices that can be read on any image."""

from __future__ import annotations

import slicer


def colour_legend(volume, title: str, size: tuple[float, float]):
    """The legend of a volume, made where it has none.

    Args:
        volume: volume node with colours.
        title: above the colours.
        size: width and height, as shares of the view; the letters are as large as that allows.

    Returns:
        vtkMRMLColorLegendDisplayNode.
    """
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(volume)
    legend.SetTitleText(title)
    legend.SetPosition(0.97, 0.5)
    legend.SetSize(*size)
    # White on a white body cannot be read.
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetColor(1.0, 1.0, 0.55)
        text.SetBold(True)
        text.SetShadow(True)
    return legend


def label_by_name(legend, count: int) -> None:
    """Write the names of so many colours beside them, in place of numbers."""
    legend.SetUseColorNamesForLabels(True)
    legend.SetLabelFormat(legend.GetDefaultTextLabelFormat())
    legend.SetMaxNumberOfColors(count)
    legend.SetNumberOfLabels(count)
