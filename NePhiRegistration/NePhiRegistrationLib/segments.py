"""Segments as arrays."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def segment_array(segmentation, segment_id: str, reference) -> np.ndarray | None:
    """(K, J, I) bool of a segment on the grid of a volume; None where there is no such segment.

    Args:
        segmentation: vtkMRMLSegmentationNode, or None.
        segment_id: its ID.
        reference: volume whose grid is asked.
    """
    segment = segmentation.GetSegmentation().GetSegment(segment_id) if segmentation is not None else None
    if segment is None:
        return None
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image = segment.GetRepresentation(representation)
    shape_kji = slicer.util.arrayFromVolume(reference).shape
    if image is None or not _is_on_grid_of(reference, image, shape_kji):
        return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, reference) > 0
    return _placed(image, segment.GetLabelValue(), shape_kji)


def _is_on_grid_of(reference, image, shape_kji: tuple[int, int, int]) -> bool:
    """Whether the voxels of a vtkOrientedImageData are voxels of the volume, counted from the same first one."""
    extent = image.GetExtent()
    if min(extent[::2]) < 0 or any(last >= size for last, size in zip(extent[1::2], shape_kji[::-1])):
        return False
    matrices = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(matrices[0])
    image.GetImageToWorldMatrix(matrices[1])
    ours, theirs = (slicer.util.arrayFromVTKMatrix(matrix) for matrix in matrices)
    return bool(np.allclose(ours, theirs, atol=1e-4))


def _placed(image, label: int, shape_kji: tuple[int, int, int]) -> np.ndarray:
    """The voxels of a label, which may fill a box of the grid only."""
    mask = np.zeros(shape_kji, bool)
    i0, i1, j0, j1, k0, k1 = image.GetExtent()
    if image.IsEmpty():
        return mask
    labels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
    mask[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] = labels == label
    return mask
