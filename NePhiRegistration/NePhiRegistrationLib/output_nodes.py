"""The nodes that a registration fills: given ones, or new ones that appear only once there is something in them."""

from __future__ import annotations

import numpy as np
import slicer

from NePhiCore.errors import OutputError
from NePhiCore.pair_data import GridData, PairOutputs

from .fold_nodes import FOLDS, LUNGS, fill_segmentation
from .lung_function_colours import show_parametric_response, show_ventilation
from .panel_words import in_panel_words
from .quality_table import fill_table
from .registration_nodes import OutputNodes, RegistrationNodes
from .steps import Steps, run_through
from .transform_nodes import TransformBackup, describe_transform, fill_grid_transform
from .volume_nodes import fill_volume, show_like, show_range

_LABELS = "vtkMRMLLabelMapVolumeNode"
# Class of each output, and what it is called beside the volumes' names.
_KINDS = {
    "transform": ("vtkMRMLTransformNode", "{moving} to {fixed}"),
    "inverse": ("vtkMRMLTransformNode", "{fixed} to {moving}"),
    "warped": ("vtkMRMLScalarVolumeNode", "{moving} registered"),
    "determinant": ("vtkMRMLScalarVolumeNode", "{moving} to {fixed} det J"),
    "folds": ("vtkMRMLSegmentationNode", "{moving} to {fixed} folds"),
    "quality": ("vtkMRMLTableNode", "{moving} to {fixed} quality"),
    "ventilationJacobian": ("vtkMRMLScalarVolumeNode", "{moving} to {fixed} ventilation by volume"),
    "ventilationDensity": ("vtkMRMLScalarVolumeNode", "{moving} to {fixed} ventilation by density"),
    "parametricResponse": (_LABELS, "{moving} to {fixed} parametric response"),
}
# Of each map of lung function, the output and how it is shown.
_MAPS = {
    "ventilation_jacobian": ("ventilationJacobian", show_ventilation),
    "ventilation_density": ("ventilationDensity", show_ventilation),
    "parametric_response": ("parametricResponse", show_parametric_response),
}


def check_outputs(outputs: OutputNodes, inputs: tuple) -> None:
    """Raise OutputError for output nodes of the wrong class, chosen twice, or that are inputs too."""
    given = outputs.given()
    for name, node in given.items():
        expected = _KINDS[name][0]
        is_linear_only = node.IsA("vtkMRMLLinearTransformNode") or node.IsA("vtkMRMLBSplineTransformNode")
        if not node.IsA(expected) or (node.IsA(_LABELS) and expected != _LABELS) or is_linear_only:
            raise OutputError(
                f"{node.GetName()} ({node.GetClassName()}) cannot hold the {name}. Choose another node, or let a new "
                "one be made."
            )
        if any(node is other for other in inputs):
            raise OutputError(f"{node.GetName()} is an input and an output. Choose another node for the {name}.")
    if len({id(node) for node in given.values()}) < len(given):
        raise OutputError("The same node is chosen for two outputs. Choose two nodes, or let new ones be made.")


class OutputScene:
    """The output nodes of one run: it fills them, and can take back what it did.

    Attributes:
        nodes: by name; those that were given, and those made so far.
    """

    def __init__(self, given: OutputNodes, fixed, moving) -> None:
        self.nodes = given.given()
        self._fixed, self._moving = fixed, moving
        self._made: list = []
        self._backup: TransformBackup | None = None

    def show_preview(self, grid: GridData) -> None:
        """Put the map so far into the transform node; a coarse grid, at once, for the views have to keep up."""
        if "transform" in self.nodes and self._backup is None and self.nodes["transform"] not in self._made:
            self._backup = TransformBackup(self.nodes["transform"])
        run_through(fill_grid_transform(self._node("transform"), grid, is_cubic=False))

    def fill(self, results: PairOutputs) -> Steps[RegistrationNodes]:
        """Put a registration into the scene; its arrays may lie on disk."""
        fixed, moving = self._fixed, self._moving
        transform = self._node("transform")
        yield from fill_grid_transform(transform, results.fixed_to_moving)
        yield
        inverse = self._node("inverse")
        yield from fill_grid_transform(inverse, results.moving_to_fixed)
        describe_transform(transform, results.figures, fixed, moving)
        describe_transform(inverse, results.figures, moving, fixed)
        yield  # Slicer lists each new node in many places, which takes its time
        show_like(self._node("warped"), moving)
        yield from fill_volume(self.nodes["warped"], results.warped, fixed)
        yield
        show_range(self._node("determinant"), 0.0, 2.0)
        yield from fill_volume(self.nodes["determinant"], results.determinant, fixed)
        yield
        masks = {FOLDS: results.folds, LUNGS: results.fixed_lungs}
        yield from fill_segmentation(self._node("folds"), masks, fixed)
        for name, whole in results.lung_function.items():
            yield from self._fill_map(name, whole())
        warnings = [{**each, "message": in_panel_words(each["message"])} for each in results.figures["warnings"]]
        figures = {**results.figures, "warnings": warnings}
        fill_table(self._node("quality"), figures)
        return RegistrationNodes(**self.nodes, figures=figures, trace=figures["loss"])

    def _fill_map(self, name: str, array: np.ndarray) -> Steps[None]:
        output, show = _MAPS[name]
        node = self._node(output)
        show(node)
        yield from fill_volume(node, array, self._fixed)

    def undo(self) -> None:
        """Remove the nodes that were made and give the transform node what it had before the previews."""
        for node in self._made:
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        if self._backup is not None:
            self._backup.restore()

    def _node(self, name: str):
        """The node of an output, made where there is none."""
        if name not in self.nodes:
            class_name, title = _KINDS[name]
            title = title.format(fixed=self._fixed.GetName(), moving=self._moving.GetName())
            node = slicer.mrmlScene.AddNewNodeByClass(class_name, slicer.mrmlScene.GenerateUniqueName(title))
            self.nodes[name] = node
            self._made.append(node)
        return self.nodes[name]
