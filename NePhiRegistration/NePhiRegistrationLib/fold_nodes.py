"""Where the map folds, and the lungs in which folds are counted, as segments."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .steps import Steps
from .volume_nodes import image_from_array

FOLDS, LUNGS = "Folds", "Lungs"
_COLOURS = {FOLDS: (0.9, 0.1, 0.1), LUNGS: (0.4, 0.7, 0.9)}


def fill_segmentation(node, masks: dict[str, np.ndarray], like) -> Steps[None]:
    """Give a segmentation the segments "Folds" and "Lungs" in place of all that it has.

    Args:
        node: vtkMRMLSegmentationNode.
        masks: (K, J, I) uint8 by the segments' names, on the grid of a volume.
        like: that volume; the segmentation goes under its parent transform.
    """
    matrix = vtk.vtkMatrix4x4()
    like.GetIJKToRASMatrix(matrix)
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segments = []
    for name, mask in masks.items():
        image = yield from _labelmap(mask, matrix)
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(*_COLOURS[name])
        segment.SetLabelValue(1)
        segment.AddRepresentation(representation, image)
        segments.append((segment, name))
    node.CreateDefaultDisplayNodes()  # before the segments: Slicer's tree of nodes asks for it with each of them
    segmentation = node.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentation.SetSourceRepresentationName(representation)
    node.SetReferenceImageGeometryParameterFromVolumeNode(like)
    for segment, name in segments:
        segmentation.AddSegment(segment, name)
        yield
    node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
    node.GetDisplayNode().SetSegmentVisibility(LUNGS, False)


def _labelmap(mask: np.ndarray, ijk_to_ras: vtk.vtkMatrix4x4) -> Steps[object]:
    """A vtkOrientedImageData of the box around what is marked."""
    image = slicer.vtkOrientedImageData()
    box = yield from _box(mask)
    if box is not None:
        image.ShallowCopy((yield from image_from_array(np.asarray(mask[box]))))
        k, j, i = box
        image.SetExtent(i.start, i.stop - 1, j.start, j.stop - 1, k.start, k.stop - 1)
    image.SetImageToWorldMatrix(ijk_to_ras)
    return image


def _box(mask: np.ndarray) -> Steps[tuple[slice, slice, slice] | None]:
    """The box around what is marked; None where nothing is."""
    low, high = np.array(mask.shape), np.zeros(3, int)
    for k in range(len(mask)):
        rows, columns = (np.flatnonzero(mask[k].any(axis)) for axis in (1, 0))
        if len(rows):
            low = np.minimum(low, (k, rows[0], columns[0]))
            high = np.maximum(high, (k + 1, rows[-1] + 1, columns[-1] + 1))
        if k % 16 == 0:
            yield
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high)) if (high > low).all() else None
