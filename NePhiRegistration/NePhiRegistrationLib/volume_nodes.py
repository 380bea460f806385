"""Volumes of the scene as the core takes them, and images of the core as volumes of the scene."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume

from .steps import Steps

# Copied between two looks at the event loop: a few milliseconds.
_PIECE_BYTES = 8 << 20


def volume_from_node(node, role: str) -> Volume:
    """The voxels and where they lie in the world, linear parent transforms included; the array is the node's own.

    Args:
        node: vtkMRMLScalarVolumeNode.
        role: "fixed" or "moving", for messages.

    Raises:
        InvalidVolumeError: no volume, one without voxels, a label or vector volume, a non-linear parent transform.
    """
    check_volume_node(node, role)
    array = slicer.util.arrayFromVolume(node)
    return Volume(array, ImageGeometry(array.shape, matrix_ijk_to_world(node)), node.GetName())


def check_volume_node(node, role: str) -> None:
    """Raise InvalidVolumeError, in the user's words, for a node that cannot be the fixed or the moving volume."""
    if node is None:
        raise InvalidVolumeError(f"No {role} volume is chosen. Choose a CT volume.")
    if not isinstance(node, slicer.vtkMRMLNode):
        raise InvalidVolumeError(
            f"The {role} volume must be a volume node, got {node!r}. Give slicer.util.getNode(name)."
        )
    name = node.GetName()
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise InvalidVolumeError(f"{name} ({node.GetNodeTagName()}) is no volume. Choose a CT volume.")
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InvalidVolumeError(f"{name} is a label map. Choose the CT itself as {role} volume, the labels as mask.")
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or image.GetNumberOfPoints() == 0:
        raise InvalidVolumeError(f"{name} has no voxels. Load it again, or choose another {role} volume.")
    components = image.GetNumberOfScalarComponents()
    if components != 1 or node.IsA("vtkMRMLTensorVolumeNode"):
        raise InvalidVolumeError(
            f"{name} has {components} values a voxel (colour or vector image). Choose a CT volume, or convert it "
            "with the Vector to Scalar Volume module."
        )
    matrix_to_world(node)


def matrix_to_world(node) -> np.ndarray:
    """(4, 4) of all parent transforms of a node together; identity without one.

    Raises:
        InvalidVolumeError: one of them is not linear.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.IsTransformToWorldLinear() or not parent.GetMatrixTransformToWorld(matrix):
        raise InvalidVolumeError(
            f"{node.GetName()} is under the non-linear transform {parent.GetName()}. Harden that transform in the "
            "Transforms module, or take the volume out of it."
        )
    return slicer.util.arrayFromVTKMatrix(matrix)


def matrix_ijk_to_world(node) -> np.ndarray:
    """(4, 4) from voxel indices (i, j, k) of a volume to RAS mm of the world."""
    return matrix_to_world(node) @ _ijk_to_ras(node)


def fill_volume(node, array: np.ndarray, like) -> Steps[None]:
    """Put voxels into a volume node, on the grid and under the parent transform of another volume.

    Args:
        node: vtkMRMLScalarVolumeNode.
        array: (K, J, I) real.
        like: volume node whose grid it is.
    """
    image = yield from image_from_array(array)
    matrix = vtk.vtkMatrix4x4()
    like.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(image)
    node.SetAndObserveTransformNodeID(like.GetTransformNodeID())


def image_from_array(array: np.ndarray) -> Steps[vtk.vtkImageData]:
    """Copy (K, J, I) or (K, J, I, C) voxels into a VTK image."""
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[2::-1])
    channels = array.shape[3] if array.ndim == 4 else 1
    image.AllocateScalars(numpy_support.get_vtk_array_type(array.dtype), channels)
    target = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)
    step = max(1, _PIECE_BYTES * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), step):
        target[start : start + step] = array[start : start + step]
        yield
    return image


def show_like(node, like) -> None:
    """Give a volume the window, level and colours that another one has."""
    display, model = _display_without_guessing(node), like.GetDisplayNode()
    if model is not None and model.IsA("vtkMRMLScalarVolumeDisplayNode"):
        display.SetWindowLevel(model.GetWindow(), model.GetLevel())
        display.SetAndObserveColorNodeID(model.GetColorNodeID())


def show_range(node, low: float, high: float) -> None:
    """Give a volume a grey window from low to high."""
    _display_without_guessing(node).SetWindowLevelMinMax(low, high)


def _display_without_guessing(node):
    """The volume's display node; Slicer's own guess of the window reads every voxel and takes seconds."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    return display


def _ijk_to_ras(node) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
