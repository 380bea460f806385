"""Volumes made for the eye alone: not listed in selectors, not saved with the scene."""

from __future__ import annotations

import numpy as np
import slicer
import vtk


def hidden_volume(name: str):
    """A new vtkMRMLScalarVolumeNode with a display node, both kept out of lists and files."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()  # the guess reads every voxel
    for each in (node, node.GetDisplayNode()):
        hide(each)
    return node


def hide(node) -> None:
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)


def fill(node, array: np.ndarray, reference, first_ijk: tuple[int, int, int] = (0, 0, 0)) -> None:
    """Put voxels into a volume.

    Args:
        node: volume to fill.
        array: (K, J, I) voxels.
        reference: volume whose grid and parent transform they have.
        first_ijk: voxel of the reference where the array begins.
    """
    slicer.util.updateVolumeFromArray(node, array)
    matrix = vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(matrix)
    start = matrix.MultiplyPoint((*first_ijk, 1))
    for row in range(3):
        matrix.SetElement(row, 3, start[row])
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())


def remove(node) -> None:
    """Take a hidden volume out of its scene, with what shows it; one that is gone already is left alone."""
    if node is None or node.GetScene() is None:
        return
    scene = node.GetScene()
    for index in reversed(range(node.GetNumberOfDisplayNodes())):
        scene.RemoveNode(node.GetNthDisplayNode(index))
    scene.RemoveNode(node)


def is_alive(node) -> bool:
    """Whether a node is still part of a scene."""
    return node is not None and node.GetScene() is not None
