"""Displacement fields as transform nodes, and transform nodes as initial transforms.

A transform node is stored from its parent, the world: it says for each point of the fixed volume where that lies in
the moving one. So the moving volume, put under it, is seen on the fixed one.
"""

from __future__ import annotations

import json

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from NePhiCore.errors import InvalidTransformError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.pair_data import GridData

from .steps import Steps
from .volume_nodes import image_from_array

# Of the grid on which a non-linear initial transform is read; the core takes from it only what is smooth.
INITIAL_SPACING_MM = 5.0
PROVENANCE = ("version", "model", "model_sha256", "settings", "seed", "device", "torch", "created")


def fill_grid_transform(node, grid: GridData, is_cubic: bool = True) -> Steps[None]:
    """Put a displacement field into a transform node, from its parent.

    Args:
        node: vtkMRMLTransformNode.
        grid: RAS mm, in the world.
        is_cubic: between the points; linear takes the views two thirds of the time.
    """
    image = yield from image_from_array(np.asarray(grid.displacement_ras_mm, np.float32))
    image.SetSpacing(*grid.geometry.spacing_mm)
    image.SetOrigin(*grid.geometry.origin_ras_mm)
    transform = slicer.vtkOrientedGridTransform()
    direction = np.eye(4)
    direction[:3, :3] = grid.geometry.direction
    transform.SetGridDirectionMatrix(slicer.util.vtkMatrixFromArray(direction))
    transform.SetDisplacementGridData(image)
    if is_cubic:
        transform.SetInterpolationModeToCubic()
    else:
        transform.SetInterpolationModeToLinear()
    node.SetAndObserveTransformFromParent(transform)


def describe_transform(node, figures: dict[str, object], fixed, moving) -> None:
    """Say in a transform node what it belongs to and how it was made.

    The references let DICOM export write it as a spatial registration; the attributes, "NePhi.version" and so on,
    are saved with the scene.
    """
    node.SetNodeReferenceID(slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole(), fixed.GetID())
    node.SetNodeReferenceID(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole(), moving.GetID())
    for name in PROVENANCE:
        value = figures.get(name)
        node.SetAttribute(f"NePhi.{name}", value if isinstance(value, str) else json.dumps(value))


def initial_transform(node, moving, fixed_geometry: ImageGeometry) -> Steps[np.ndarray | GridData | None]:
    """A transform node as the core takes an initial transform, from fixed to moving points.

    As everywhere in Slicer the node is what would be applied to the moving volume.

    Args:
        node: vtkMRMLTransformNode, or None.
        moving: the moving volume.
        fixed_geometry: where a non-linear transform is read.

    Returns:
        A (4, 4) matrix RAS mm, or a field; None for no node.

    Raises:
        InvalidTransformError: the node is already applied to the moving volume, or cannot be inverted.
    """
    if node is None:
        return None
    _check_not_applied(node, moving)
    if node.IsTransformToWorldLinear():
        matrix = vtk.vtkMatrix4x4()
        node.GetMatrixTransformToWorld(matrix)
        to_world = slicer.util.arrayFromVTKMatrix(matrix)
        if not np.isfinite(to_world).all() or abs(np.linalg.det(to_world[:3, :3])) < 1e-9:
            raise InvalidTransformError(f"The initial transform {node.GetName()} cannot be inverted. Choose another.")
        return np.linalg.inv(to_world)
    return (yield from _sampled(node, fixed_geometry.with_spacing(INITIAL_SPACING_MM)))


def _check_not_applied(node, moving) -> None:
    parent = moving.GetParentTransformNode()
    while parent is not None:
        if parent is node:
            raise InvalidTransformError(
                f"{node.GetName()} is already applied to {moving.GetName()}, which is registered as it is shown. "
                "Choose no initial transform, or take the volume out of it."
            )
        parent = parent.GetParentTransformNode()


def _sampled(node, geometry: ImageGeometry) -> Steps[GridData]:
    """The map from the world through a transform on a grid, slice by slice."""
    transform = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(transform)
    displacement = np.empty((*geometry.shape_kji, 3), np.float32)
    for k in range(geometry.shape_kji[0]):
        matrix = geometry.ijk_to_ras.copy()
        matrix[:3, 3] += k * matrix[:3, 2]
        points = ImageGeometry((1, *geometry.shape_kji[1:]), matrix).points_ras_mm().reshape(-1, 3)
        displacement[k] = (transformed(transform, points) - points).reshape(displacement[k].shape)
        yield
    if not np.isfinite(displacement).all():
        raise InvalidTransformError(f"The initial transform {node.GetName()} is NaN or infinite at some points.")
    return GridData(displacement, geometry)


def transformed(transform, points_ras_mm: np.ndarray) -> np.ndarray:
    """(N, 3) points through a vtkAbstractTransform, (N, 3) float64."""
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for points in (source, target):
        points.SetDataTypeToDouble()
    source.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points_ras_mm, np.float64), deep=True))
    transform.TransformPoints(source, target)
    return numpy_support.vtk_to_numpy(target.GetData()).copy()


class TransformBackup:
    """What a transform node held before a live preview was put into it."""

    def __init__(self, node) -> None:
        self._node, self._content = node, slicer.vtkMRMLTransformNode()
        self._content.CopyContent(node, False)

    def restore(self) -> None:
        """Give the node its content back."""
        self._node.CopyContent(self._content, False)
