"""register(): from nodes to nodes, in this process and in a child. Runs in Slicer and on the stand-in."""

import json
import tempfile
from pathlib import Path

import numpy as np
import slicer
import vtk
from scene_cases import (
    OBLIQUE,
    ORIGIN_RAS_MM,
    QUICK,
    SHIFT_RAS_MM,
    LogicCase,
    add_bent_transform,
    add_linear_transform,
    add_pair,
    add_points,
    add_volume,
    hu,
    ijk_to_ras,
    lungs,
)

from NePhiCore.errors import NePhiError, RegistrationCancelled
from NePhiRegistrationLib.quality_table import read_table
from NePhiRegistrationLib.registration_nodes import OutputNodes
from NePhiRegistrationLib.transform_nodes import transformed

POINTS = ORIGIN_RAS_MM + np.array([[30.0, 40, 40], [60, 50, 45], [45, 60, 60]])


class NePhiRegistrationLogicTest(LogicCase):
    def test_the_transform_takes_fixed_points_to_moving_points(self):
        nodes = self.register(**add_pair(OBLIQUE))
        np.testing.assert_allclose(self.mapped(nodes.transform, POINTS), POINTS + SHIFT_RAS_MM, atol=1e-3)
        np.testing.assert_allclose(self.mapped(nodes.inverse, POINTS + SHIFT_RAS_MM), POINTS, atol=1e-3)

    def test_the_moving_volume_under_the_transform_lies_on_the_fixed_one(self):
        pair = add_pair()
        nodes = self.register(**pair)
        landmarks = add_points("landmarks of the moving volume", POINTS + SHIFT_RAS_MM)
        for node in (pair["movingVolume"], landmarks):
            node.SetAndObserveTransformNodeID(nodes.transform.GetID())
        positions = np.array([landmarks.GetNthControlPointPositionWorld(n) for n in range(len(POINTS))])
        np.testing.assert_allclose(positions, POINTS, atol=1e-2)

    def test_volumes_and_segments_lie_on_the_fixed_grid(self):
        pair = add_pair(OBLIQUE)
        pair["fixedVolume"].SetAndObserveTransformNodeID(add_linear_transform("parent", np.eye(4)).GetID())
        nodes = self.register(**pair)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes.warped), hu())
        np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.determinant), 1, atol=1e-4)
        for node in (nodes.warped, nodes.determinant, nodes.folds):
            self.assertEqual(node.GetParentTransformNode().GetName(), "parent")
        matrix = vtk.vtkMatrix4x4()
        nodes.warped.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), ijk_to_ras(direction=OBLIQUE), atol=1e-9)
        segmentation = nodes.folds.GetSegmentation()
        self.assertEqual(list(segmentation.GetSegmentIDs()), ["Folds", "Lungs"])
        found = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.folds, "Lungs", pair["fixedVolume"])
        np.testing.assert_array_equal(found, lungs())

    def test_the_nodes_say_what_they_are(self):
        pair = add_pair()
        nodes = self.register(**pair)
        self.assertEqual(nodes.transform.GetNodeReference("spatialRegistrationFixed"), pair["fixedVolume"])
        self.assertEqual(nodes.transform.GetNodeReference("spatialRegistrationMoving"), pair["movingVolume"])
        self.assertEqual(nodes.inverse.GetNodeReference("spatialRegistrationFixed"), pair["movingVolume"])
        self.assertEqual(nodes.transform.GetAttribute("NePhi.model"), "small.pt")
        self.assertEqual(len(nodes.transform.GetAttribute("NePhi.model_sha256")), 64)
        self.assertEqual(json.loads(nodes.transform.GetAttribute("NePhi.settings"))["preset"], "fast")
        self.assertEqual(nodes.transform.GetAttribute("NePhi.seed"), "0")
        self.assertEqual(nodes.warped.GetName(), "moving registered")

    def test_the_result_survives_a_saved_scene(self):
        nodes = self.register(**add_pair(OBLIQUE))
        names = {
            name: getattr(nodes, name).GetName() for name in ("transform", "inverse", "folds", "quality", "warped")
        }
        figures, points = nodes.figures, self.mapped(nodes.inverse, POINTS)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(path))
            slicer.mrmlScene.Clear()
            self.assertTrue(slicer.mrmlScene.ReadFromMRB(path, True))
        loaded = {name: slicer.util.getNode(node_name) for name, node_name in names.items()}
        np.testing.assert_allclose(self.mapped(loaded["inverse"], POINTS), points, atol=1e-4)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded["warped"]), hu())
        self.assertEqual(read_table(loaded["quality"])[0]["jacobian"], figures["jacobian"])
        segmentation = loaded["folds"].GetSegmentation()
        self.assertEqual(sorted(segmentation.GetSegmentIDs()), ["Folds", "Lungs"])
        found = slicer.util.arrayFromSegmentBinaryLabelmap(loaded["folds"], "Lungs", loaded["warped"])
        np.testing.assert_array_equal(found, lungs())

    def test_landmarks_are_measured_and_the_table_keeps_every_figure(self):
        off = np.array([0.0, 3.0, 4.0])
        nodes = self.register(
            **add_pair(),
            fixedLandmarks=add_points("f", POINTS),
            movingLandmarks=add_points("m", POINTS + SHIFT_RAS_MM + off),
        )
        self.assertAlmostEqual(nodes.figures["tre_mm"]["after"]["mean"], 5.0, places=3)
        rows = [nodes.quality.GetCellText(n, 0) for n in range(nodes.quality.GetNumberOfRows())]
        self.assertIn("Landmark error (TRE), mean, 3 landmarks", rows)
        figures, trace = read_table(nodes.quality)
        self.assertEqual(figures["tre_mm"], nodes.figures["tre_mm"])
        self.assertEqual(trace, nodes.trace)

    def test_given_nodes_are_filled_and_no_second_ones_made(self):
        outputs = {
            "transform": "vtkMRMLTransformNode",
            "inverse": "vtkMRMLGridTransformNode",
            "warped": "vtkMRMLScalarVolumeNode",
            "determinant": "vtkMRMLScalarVolumeNode",
            "folds": "vtkMRMLSegmentationNode",
            "quality": "vtkMRMLTableNode",
        }
        given = {name: slicer.mrmlScene.AddNewNodeByClass(kind, f"my {name}") for name, kind in outputs.items()}
        pair = add_pair()
        # The application has some of its own: a hidden one for each slice view.
        transforms = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTransformNode")
        for _ in range(2):  # the second time in place of the first result
            nodes = self.register(**pair, outputs=OutputNodes(**given))
            for name, node in given.items():
                self.assertIs(getattr(nodes, name), node)
        self.assertEqual(given["folds"].GetSegmentation().GetNumberOfSegments(), 2)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTransformNode"), transforms)

    def test_a_segmentation_serves_as_mask(self):
        pair = add_pair()
        for side in ("fixed", "moving"):
            segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", side)
            logic = slicer.modules.segmentations.logic()
            logic.ImportLabelmapToSegmentationNode(pair[f"{side}Mask"], segmentation)
            pair[f"{side}Mask"] = segmentation
        nodes = self.register(**pair)
        np.testing.assert_allclose(self.mapped(nodes.transform, POINTS), POINTS + SHIFT_RAS_MM, atol=1e-3)

    def test_parent_transforms_of_both_volumes_count(self):
        pair = add_pair()
        lift = np.eye(4)
        lift[:3, 3] = (0, 0, 50)
        parent = add_linear_transform("lift", lift)
        for name in ("movingVolume", "movingMask"):
            pair[name].SetAndObserveTransformNodeID(parent.GetID())
        nodes = self.register(**pair)
        np.testing.assert_allclose(self.mapped(nodes.transform, POINTS), POINTS + SHIFT_RAS_MM + (0, 0, 50), atol=1e-3)

    def test_an_initial_transform_brings_volumes_together_that_lie_apart(self):
        pair, apart = add_pair(), np.eye(4)
        apart[:3, 3] = (500, 0, 0)
        for name in ("movingVolume", "movingMask"):
            pair[name].SetIJKToRASMatrix(
                slicer.util.vtkMatrixFromArray(apart @ ijk_to_ras(ORIGIN_RAS_MM + SHIFT_RAS_MM))
            )
        self.assert_refused("do not overlap", **pair)
        back = np.eye(4)
        back[:3, 3] = -SHIFT_RAS_MM - (500, 0, 0)
        nodes = self.register(**pair, initialTransform=add_linear_transform("back", back))
        np.testing.assert_allclose(self.mapped(nodes.transform, POINTS), POINTS + SHIFT_RAS_MM + (500, 0, 0), atol=1e-3)

    def test_the_child_process_gives_the_same_numbers(self):
        pair = add_pair(OBLIQUE)
        landmarks = {"fixedLandmarks": add_points("f", POINTS), "movingLandmarks": add_points("m", POINTS + 9)}
        changes = {"initialTransform": add_bent_transform("bent"), **landmarks}
        here = self.register(**pair, **changes, preset="balanced", iterations=12)
        told = []
        there = self.register(
            **pair, **changes, preset="balanced", iterations=12, inChildProcess=True, progress=told.append
        )
        for name in ("transform", "inverse"):
            grids = [slicer.util.arrayFromGridTransform(getattr(nodes, name)) for nodes in (here, there)]
            np.testing.assert_array_equal(*grids)
        for name in ("warped", "determinant"):
            np.testing.assert_array_equal(*(slicer.util.arrayFromVolume(getattr(n, name)) for n in (here, there)))
        self.assertEqual(here.trace, there.trace)
        self.assertGreater(len(here.trace["total"]), 1)
        for name in ("similarity", "jacobian", "tre_mm", "inverse_consistency_mm", "settings", "model_sha256"):
            self.assertEqual(here.figures[name], there.figures[name], name)
        shares = [message.share for message in told]
        self.assertEqual(shares, sorted(shares))
        self.assertEqual([told[0].step, told[-1].step, told[-1].share], ["starting", "done", 1.0])

    def test_a_cancelled_registration_keeps_the_best_so_far(self):
        told = []
        nodes = self.register(
            **add_pair(),
            preset="balanced",
            iterations=1000,
            progress=told.append,
            isCancelled=lambda: any(message.iteration for message in told),
        )
        self.assertTrue(nodes.figures["cancelled"])
        self.assertLess(nodes.trace["iteration"][-1], 100)

    def test_one_cancelled_before_there_is_anything_leaves_the_scene_as_it_was(self):
        pair = add_pair()
        count = self.node_count()
        with self.assertRaises(RegistrationCancelled):
            self.register(**pair, isCancelled=lambda: True)
        self.assertEqual(self.node_count(), count)

    def test_what_cannot_be_registered_is_refused_in_words_and_the_scene_kept(self):
        pair = add_pair()
        vector = add_volume("v", np.zeros((9, 9, 9, 3), np.float32), ijk_to_ras(), "vtkMRMLVectorVolumeNode")
        bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "straight")
        cases = {
            "No moving volume is chosen": {"movingVolume": None},
            "fixed is chosen as fixed and as moving volume": {"movingVolume": pair["fixedVolume"]},
            "values a voxel": {"movingVolume": vector},
            "is a label map": {"fixedVolume": pair["fixedMask"]},
            "preset must be one of": {"preset": "slow"},
            "Unknown setting grid_spacing": {"grid_spacing": 3},
            "does not exist": {"modelFile": "/nowhere.pt"},
            "Only fixed landmarks are chosen": {"fixedLandmarks": add_points("p", POINTS)},
            "cannot hold the transform": {"outputs": OutputNodes(transform=bent)},
            "is an input and an output": {"outputs": OutputNodes(warped=pair["movingVolume"])},
        }
        count = self.node_count()
        for words, changes in cases.items():
            with self.subTest(words):
                self.assert_refused(words, **{**pair, **changes})
                with self.assertRaisesRegex(NePhiError, words):
                    inputs = {**QUICK, "modelFile": self.model_file, **pair, **changes}
                    self.logic.startRegistration(observer=None, **inputs)
                self.assertEqual(self.node_count(), count)

    def test_messages_name_the_panels_fields_and_not_the_commands_options(self):
        pair = {name: node for name, node in add_pair().items() if name.endswith("Volume")}
        with self.assertRaises(NePhiError) as caught:  # noise without a body: no lungs are found in it
            self.register(**pair)
        self.assertNotIn("--", str(caught.exception))

    def assert_refused(self, words: str, **inputs):
        with self.assertRaisesRegex(NePhiError, words):
            self.register(**inputs)

    def mapped(self, node, points: np.ndarray) -> np.ndarray:
        transform = vtk.vtkGeneralTransform()
        node.GetTransformFromWorld(transform)
        return transformed(transform, points)
