"""Lung masks from segmentations and label maps, as the core takes them: on their own grids, in the world."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.pair_data import MaskPart

from .volume_nodes import matrix_ijk_to_world, matrix_to_world


def mask_parts(node) -> tuple[MaskPart, ...]:
    """All segments of a segmentation, or all labels of a label map; () for no node. Nothing is resampled here.

    Args:
        node: vtkMRMLSegmentationNode, vtkMRMLScalarVolumeNode of labels, or None.

    Raises:
        InvalidVolumeError: nothing is marked, segments that are only surfaces, a non-linear parent transform.
    """
    if node is None:
        return ()
    if node.IsA("vtkMRMLSegmentationNode"):
        return _segments(node)
    if not node.IsA("vtkMRMLScalarVolumeNode") or node.GetImageData() is None:
        raise InvalidVolumeError(f"{node.GetName()} holds no labels. Choose a segmentation or a label map as mask.")
    labels = slicer.util.arrayFromVolume(node)
    if labels.ndim != 3:
        raise InvalidVolumeError(f"{node.GetName()} has more than one value a voxel. Choose a label map as lung mask.")
    return (MaskPart(labels, ImageGeometry(labels.shape, matrix_ijk_to_world(node))),)


def _segments(node) -> tuple[MaskPart, ...]:
    segmentation, to_world = node.GetSegmentation(), matrix_to_world(node)
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(representation):
        raise InvalidVolumeError(
            f"The segments of {node.GetName()} are surfaces. Create their binary labelmap representation in the "
            "Segmentations module first."
        )
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    parts = [_part(segment, segment.GetRepresentation(representation), to_world) for segment in segments]
    marked = tuple(part for part in parts if part is not None)
    if not marked:
        raise InvalidVolumeError(f"{node.GetName()} marks nothing. Segment the lungs in it, or choose no mask.")
    return marked


def _part(segment, image, to_world: np.ndarray) -> MaskPart | None:
    """One segment; None for an empty one."""
    if image is None or image.IsEmpty():
        return None
    shape = image.GetDimensions()[::-1]
    labels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    first_voxel = np.eye(4)  # the extent of a segment's image need not begin at 0
    first_voxel[:3, 3] = image.GetExtent()[::2]
    geometry = ImageGeometry(shape, to_world @ slicer.util.arrayFromVTKMatrix(matrix) @ first_voxel)
    return MaskPart(labels, geometry, segment.GetLabelValue())
