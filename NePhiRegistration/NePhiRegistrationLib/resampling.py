"""Reading one volume on the grid of another."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

_AIR_HU = -1024


def on_grid_of(reference, volume) -> np.ndarray:
    """Voxels of a volume where the voxels of another lie in the world, by linear interpolation.

    Args:
        reference: vtkMRMLScalarVolumeNode whose grid is asked.
        volume: vtkMRMLScalarVolumeNode to read; both may lie under transforms.

    Returns:
        (K, J, I) as the reference, the volume's own array where the grids are one; -1024 beyond the volume.
    """
    here, there = (slicer.util.arrayFromVolume(node) for node in (reference, volume))
    to_volume = _index_transform(reference, volume)
    if here.shape == there.shape and isinstance(to_volume, vtk.vtkTransform) and _is_identity(to_volume):
        return there
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(volume.GetImageData())
    reslice.SetResliceTransform(to_volume)
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(_AIR_HU)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputExtent(reference.GetImageData().GetExtent())
    reslice.Update()
    return vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(here.shape)


def _index_transform(reference, volume):
    """From voxel indices (i, j, k) of one volume to those of another; a vtkTransform, which is fast, where linear."""
    parents = reference.GetParentTransformNode(), volume.GetParentTransformNode()
    if all(parent is None or parent.IsTransformToWorldLinear() for parent in parents):
        between, whole = vtk.vtkMatrix4x4(), vtk.vtkTransform()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(*parents, between)
    else:
        between, whole = vtk.vtkGeneralTransform(), vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(*parents, between)
    whole.PostMultiply()
    whole.Concatenate(_matrix(reference, "GetIJKToRASMatrix"))
    whole.Concatenate(between)
    whole.Concatenate(_matrix(volume, "GetRASToIJKMatrix"))
    return whole


def _is_identity(transform: vtk.vtkTransform) -> bool:
    return np.allclose(slicer.util.arrayFromVTKMatrix(transform.GetMatrix()), np.eye(4), atol=1e-5)


def _matrix(volume, getter: str) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    getattr(volume, getter)(matrix)
    return matrix
