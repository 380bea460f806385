"""What a registration is made from and what it leaves in the scene."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal


@dataclass(frozen=True)
class OutputNodes:
    """Nodes to fill; what is None is created.

    Attributes:
        transform, inverse: vtkMRMLTransformNode.
        warped, determinant: vtkMRMLScalarVolumeNode.
        folds: vtkMRMLSegmentationNode.
        quality: vtkMRMLTableNode.
        ventilationJacobian, ventilationDensity: vtkMRMLScalarVolumeNode, of the lung function maps.
        parametricResponse: vtkMRMLLabelMapVolumeNode, of these too.
    """

    transform: object = None
    inverse: object = None
    warped: object = None
    determinant: object = None
    folds: object = None
    quality: object = None
    ventilationJacobian: object = None
    ventilationDensity: object = None
    parametricResponse: object = None

    def given(self) -> dict[str, object]:
        """The nodes that are not None, by name."""
        nodes = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: node for name, node in nodes.items() if node is not None}


@dataclass(frozen=True)
class RegistrationNodes:
    """The nodes of a finished registration, and its figures.

    Attributes:
        transform: from-parent grid, fixed to moving in the world; the moving volume under it lies on the fixed one.
        inverse: from-parent grid, moving to fixed in the world, learned, not a numerical inverse.
        warped: moving volume on the fixed grid.
        determinant: det J of the fixed-to-moving map on the fixed grid, float32.
        folds: segmentation with the segments "Folds" and "Lungs" (of the fixed volume) on the fixed grid.
        quality: table of the figures, for people.
        ventilationJacobian, ventilationDensity: change of volume, and of air by density, from exhale to inhale, on the
            fixed grid; -1 outside the lungs. None where no lung function was asked for.
        parametricResponse: label map of the parametric response on the fixed grid, or None.
        figures: what `nephi register` writes to report.json, without the files.
        trace: lists "iteration", "similarity", "regularity", "total" of the optimisation.
    """

    transform: object
    inverse: object
    warped: object
    determinant: object
    folds: object
    quality: object
    ventilationJacobian: object = None
    ventilationDensity: object = None
    parametricResponse: object = None
    figures: dict[str, object] = field(default_factory=dict)
    trace: dict[str, list] = field(default_factory=dict)


@dataclass(frozen=True)
class Remark:
    """Something to know before a registration; with an error it cannot begin."""

    severity: Literal["info", "warning", "error"]
    text: str
