"""Watching the registration converge: the moving volume, moved by the transform of the moment, over the fixed one."""

from __future__ import annotations

from . import hidden_volumes, slice_layers
from .volume_nodes import show_like

_OPACITY = 0.5


class LivePreview:
    """Shows the moving volume's voxels under a transform, without touching the moving node itself."""

    def __init__(self) -> None:
        self._proxy = None

    @property
    def is_shown(self) -> bool:
        return hidden_volumes.is_alive(self._proxy)

    def show(self, fixed, moving, transform) -> None:
        """Begin, or follow another transform.

        Args:
            fixed, moving: vtkMRMLScalarVolumeNode.
            transform: vtkMRMLTransformNode from fixed to moving world, whose grid changes from now on.
        """
        if self.is_shown:
            self._proxy.SetAndObserveTransformNodeID(transform.GetID())
            return
        self._proxy = hidden_volumes.hidden_volume(f"{moving.GetName()} (preview)")
        show_like(self._proxy, moving)
        self._proxy.SetAndObserveImageData(moving.GetImageData())
        self._proxy.CopyOrientation(moving)
        parent = moving.GetParentTransformNode()
        if parent is not None and parent.IsTransformToWorldLinear():
            self._proxy.SetAndObserveTransformNodeID(parent.GetID())
            self._proxy.HardenTransform()
        self._proxy.SetAndObserveTransformNodeID(transform.GetID())
        slice_layers.show_both(fixed, self._proxy, _OPACITY)

    def stop(self) -> None:
        if self.is_shown:
            slice_layers.show_foreground(None, 0.0)
        hidden_volumes.remove(self._proxy)
        self._proxy = None
