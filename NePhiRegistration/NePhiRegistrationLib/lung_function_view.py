"""One lung function map over the slices, with its legend."""

from __future__ import annotations

import slicer

from . import slice_layers
from .hidden_volumes import is_alive


class LungFunctionView:
    """Shows a map that lies in the scene, in the layer that suits it."""

    def __init__(self) -> None:
        self._shown = None

    def show(self, node, opacity: float) -> None:
        """Show a map in place of the last one.

        Args:
            node: volume or label map; None or one that is gone shows nothing.
            opacity: 0 to 1.
        """
        if node is not self._shown:
            self.hide()
        if is_alive(node):
            _layer(node)(node, opacity)
            self._shown = node
            _bring_legend_up_to_date(node)

    def hide(self) -> None:
        node, self._shown = self._shown, None
        if is_alive(node):
            _layer(node)(None, 0.0)
            _bring_legend_up_to_date(node)


def _layer(node):
    return slice_layers.show_label if node.IsA("vtkMRMLLabelMapVolumeNode") else slice_layers.show_foreground


def _bring_legend_up_to_date(node) -> None:
    """Slicer looks whether a volume is shown when its legend changes, not when a program changes the layers."""
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
    if legend is not None:
        legend.Modified()
