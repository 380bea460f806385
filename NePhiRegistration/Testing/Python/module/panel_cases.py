"""The panel and results to show in it, for tests of the panel. Runs in Slicer and on the stand-in."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer

sys.path.insert(0, str(Path(__file__).resolve().parent))

import scene_cases
from scene_cases import process_events_until

SHAPE_KJI = (30, 32, 34)
# det J below 0 in two places, the larger one first in the list of folds.
LARGE_FOLD_KJI = (slice(12, 14), slice(10, 13), slice(8, 12))
SMALL_FOLD_KJI = (20, 15, 24)
ALMOST_FOLDED_KJI = (9, 20, 26)
LUNGS_KJI = (slice(5, 25), slice(5, 27), slice(4, 30))
FIGURES = {
    "similarity": {
        when: {"ncc": value, "local_ncc": value, "mean_absolute_difference_hu": 250 - 100 * value}
        for when, value in (("before", 0.1), ("after", 0.8))
    },
    "lung_overlap_dice": {"before": 0.7, "after": 0.97},
    "lung_volume_litres": {"fixed": 2.4, "moving": 3.8},
    "inverse_consistency_mm": {"mean": 0.12, "p95": 0.24, "max": 0.8},
    "interpolation_mm": {"mean": 0.03, "p95": 0.11, "max": 0.5},
    "jacobian": {
        "voxels": 11440,
        "folds_any_one_sided": 25,
        "fold_fraction_any_one_sided": 25 / 11440,
        "sd_log_j": 0.21,
        "p1": 0.95,
        "p99": 2.85,
    },
    "warnings": [],
}


class PanelCase(unittest.TestCase):
    """An empty scene and an entered panel, before each test."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.representation = slicer.modules.nephiregistration.widgetRepresentation()
        self.representation.enter()

    def tearDown(self):
        self.panel.run.abandon()
        self.representation.exit()
        slicer.mrmlScene.Clear(0)

    @property
    def widget(self):
        return self.representation.self()

    @property
    def panel(self):
        return self.widget.panel

    @property
    def ui(self):
        return self.widget.ui

    @property
    def parameters(self):
        return self.widget._parameterNode

    def select_pair(self) -> dict[str, object]:
        """A tiny pair and its masks, chosen in the panel as a user does."""
        pair = scene_cases.add_pair()
        for name, node in pair.items():
            getattr(self.ui, f"{name}Selector").setCurrentNode(node)
        return pair

    def wait_for_remarks(self) -> str:
        process_events_until(lambda: not self.panel._preflight.isActive())
        return self.ui.remarksLabel.text

    def layers(self) -> tuple[str, str, float]:
        """Names of background and foreground of the slice views, and the opacity of the latter."""
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        view = views[0]
        names = []
        for node_id in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()):
            node = slicer.mrmlScene.GetNodeByID(node_id) if node_id else None
            names.append(node.GetName() if node is not None else "")
        return (*names, view.GetForegroundOpacity())


def add_views() -> None:
    """Slice views as nodes, as the layout of a main window makes them; there are none without."""
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        if slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode") is None:
            view = slicer.vtkMRMLSliceNode()
            view.SetSingletonTag(name)
            view.SetName(name)
            view.SetLayoutName(name)
            view = slicer.mrmlScene.AddNode(view)
            view.SetOrientation(orientation)
            composite = slicer.vtkMRMLSliceCompositeNode()
            composite.SetSingletonTag(name)
            composite.SetLayoutName(name)
            slicer.mrmlScene.AddNode(composite)


def add_result(parameters) -> None:
    """A finished registration with folds, in the scene and named by a parameter node."""
    matrix = np.diag([-2.0, -2.0, 2.0, 1.0])
    matrix[:3, 3] = (40.0, -12.0, 7.0)
    rng = np.random.default_rng(3)
    for name, level in (("fixedVolume", -800), ("movingVolume", -850), ("warped", -790)):
        image = rng.normal(level, 50, SHAPE_KJI).astype(np.int16)
        setattr(parameters, name, scene_cases.add_volume(name, image, matrix))
    determinant = np.full(SHAPE_KJI, 1.5, np.float32)
    determinant[LARGE_FOLD_KJI] = -0.2
    determinant[13, 11, 9] = -0.7
    determinant[SMALL_FOLD_KJI] = -0.1
    determinant[ALMOST_FOLDED_KJI] = 0.15
    determinant[0, 0, 0] = -1  # outside the lungs
    parameters.determinant = scene_cases.add_volume("determinant", determinant, matrix)
    lungs = np.zeros(SHAPE_KJI, np.uint8)
    lungs[LUNGS_KJI] = 1
    parameters.folds = add_segmentation({"Folds": determinant <= 0, "Lungs": lungs}, parameters.determinant)
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "quality")
    table.SetAttribute("NePhi.Figures", json.dumps(FIGURES))
    table.SetAttribute("NePhi.Trace", json.dumps({"iteration": [0, 1, 2], "total": [0.9, 0.5, 0.4]}))
    parameters.quality = table


def add_segmentation(masks: dict[str, np.ndarray], reference):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "folds")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for name, mask in masks.items():
        node.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, name, reference)
    return node


def world_of(ijk, node) -> np.ndarray:
    """(3,) RAS mm of a voxel of a volume without parent transform, from its own matrix."""
    matrix = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(node))
    return (matrix @ [*ijk, 1.0])[:3]


def _ijk_to_ras(node):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def save_and_load_scene(panel_widget) -> None:
    """Write the scene as .mrb, empty it and read it back."""
    path = str(Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath)) / "scene.mrb")
    if not slicer.mrmlScene.WriteToMRB(path):
        raise AssertionError("the scene could not be written")
    slicer.mrmlScene.Clear(0)
    if not slicer.mrmlScene.ReadFromMRB(path, True):
        raise AssertionError("the scene could not be read")
    process_events_until(lambda: panel_widget._parameterNode is not None)
