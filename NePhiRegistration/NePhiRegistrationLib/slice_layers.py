"""What the slice views show, and where. Works on the nodes of the views, so it needs no main window."""

from __future__ import annotations

from contextlib import ExitStack

import slicer


def show_background(node) -> None:
    """Show a volume in all slice views; None empties them."""
    slicer.util.setSliceViewerLayers(background=node)


def show_foreground(node, opacity: float) -> None:
    """Show a volume over the background of all slice views.

    Args:
        node: volume, or None to take the foreground away.
        opacity: 0 to 1.
    """
    slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=opacity)


def show_both(background, foreground, opacity: float) -> None:
    """Show one volume over another, in one go: each change of a layer makes the views work."""
    with ExitStack() as changes:
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            changes.enter_context(slicer.util.NodeModify(composite))
        slicer.util.setSliceViewerLayers(background=background, foreground=foreground, foregroundOpacity=opacity)


def show_label(node, opacity: float) -> None:
    """Show a label map over everything else; None takes it away."""
    slicer.util.setSliceViewerLayers(label=node, labelOpacity=opacity)


def take_away_labels(nodes) -> None:
    """Take label maps out of the label layer, where they would hide what lies below; others stay."""
    ids = {node.GetID() for node in nodes if node is not None}
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLabelVolumeID() in ids:
            composite.SetLabelVolumeID(None)


def fit() -> None:
    """Zoom and centre all slice views on what they show."""
    slicer.util.setSliceViewerLayers(fit=True)


def jump_to(ras_mm) -> None:
    """Move all slice views to a point, at their centre, and mark it with a small crosshair.

    Args:
        ras_mm: (3,) world RAS mm.
    """
    place = [float(value) for value in ras_mm]
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *place, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    crosshair = _crosshair()
    if crosshair is not None:
        crosshair.SetCrosshairRAS(*place)
        crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.ShowSmallBasic)


def hide_crosshair() -> None:
    crosshair = _crosshair()
    if crosshair is not None:
        crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)


def _crosshair():
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
