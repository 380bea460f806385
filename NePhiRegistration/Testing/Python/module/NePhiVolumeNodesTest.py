"""What goes into a registration: volumes, masks and landmarks of the scene. Runs in Slicer and on the stand-in."""

import unittest

import numpy as np
import slicer
import vtk
from scene_cases import (
    LUNGS,
    OBLIQUE,
    SHAPE_KJI,
    add_bent_transform,
    add_linear_transform,
    add_pair,
    add_points,
    add_volume,
    hu,
    ijk_to_ras,
    lungs,
)

from NePhiCore.errors import InvalidLandmarksError, InvalidVolumeError
from NePhiRegistrationLib import fold_nodes
from NePhiRegistrationLib.landmark_nodes import landmark_pair
from NePhiRegistrationLib.mask_nodes import mask_parts
from NePhiRegistrationLib.steps import run_through
from NePhiRegistrationLib.volume_nodes import fill_volume, volume_from_node


class NePhiVolumeNodesTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_a_volume_has_the_nodes_voxels_and_place(self):
        node = add_volume("ct", hu(), ijk_to_ras(direction=OBLIQUE))
        volume = volume_from_node(node, "fixed")
        self.assertEqual(volume.name, "ct")
        np.testing.assert_array_equal(volume.hu, hu())
        np.testing.assert_allclose(volume.geometry.ijk_to_ras, ijk_to_ras(direction=OBLIQUE), atol=1e-12)

    def test_linear_parent_transforms_are_part_of_the_place(self):
        node = add_volume("ct", hu(), ijk_to_ras())
        turn = np.array([[0.0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 11], [0, 0, 0, 1]])
        outer, inner = add_linear_transform("outer", turn), add_linear_transform("inner", np.diag([1, 1, 2.0, 1]))
        inner.SetAndObserveTransformNodeID(outer.GetID())
        node.SetAndObserveTransformNodeID(inner.GetID())
        # Voxel (0, 0, 0) lies at (-50, -60, -40); the inner transform doubles S, the outer turns R to A and shifts.
        first_voxel = volume_from_node(node, "fixed").geometry.origin_ras_mm
        np.testing.assert_allclose(first_voxel, (60 + 5, -50 - 7, -80 + 11), atol=1e-9)

    def test_a_non_linear_parent_transform_is_refused_in_words(self):
        node = add_volume("ct", hu(), ijk_to_ras())
        node.SetAndObserveTransformNodeID(add_bent_transform("bent").GetID())
        self.assert_refused(node, "non-linear transform bent", "Harden")

    def test_what_is_no_ct_is_refused_in_words(self):
        self.assert_refused(None, "No fixed volume is chosen")
        self.assert_refused("exhale", "must be a volume node, got 'exhale'")
        self.assert_refused(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"), "has no voxels")
        labels = add_volume("labels", lungs(), ijk_to_ras(), "vtkMRMLLabelMapVolumeNode")
        self.assert_refused(labels, "is a label map", "as mask")
        colours = add_volume("colours", np.zeros((*SHAPE_KJI, 3), np.uint8), ijk_to_ras(), "vtkMRMLVectorVolumeNode")
        self.assert_refused(colours, "3 values a voxel")
        self.assert_refused(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "heart"), "heart", "is no volume")

    def test_filling_a_volume_puts_it_on_the_grid_of_another_under_its_parent(self):
        like = add_volume("ct", hu(), ijk_to_ras(direction=OBLIQUE))
        like.SetAndObserveTransformNodeID(add_linear_transform("parent", np.eye(4)).GetID())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "filled")
        array = np.arange(np.prod(SHAPE_KJI), dtype=np.float32).reshape(SHAPE_KJI)
        run_through(fill_volume(node, array, like))
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), ijk_to_ras(direction=OBLIQUE), atol=1e-12)
        self.assertIs(node.GetParentTransformNode(), like.GetParentTransformNode())

    def assert_refused(self, node, *words):
        with self.assertRaises(InvalidVolumeError) as caught:
            volume_from_node(node, "fixed")
        for word in words:
            self.assertIn(word, str(caught.exception))


class NePhiMaskNodesTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_no_node_is_no_mask(self):
        self.assertEqual(mask_parts(None), ())

    def test_a_label_map_counts_with_every_label(self):
        node = add_pair()["fixedMask"]
        (part,) = mask_parts(node)
        self.assertIsNone(part.label)
        np.testing.assert_array_equal(part.labels, lungs())

    def test_segments_lie_where_they_were_drawn(self):
        pair = add_pair(OBLIQUE)
        for part in mask_parts(self.a_segmentation(pair["fixedMask"])):
            marked = np.argwhere(part.labels == part.label)[:, ::-1]
            first, last = marked.min(0), marked.max(0)
            place = part.geometry.ijk_to_ras
            corners = np.array([[*first, 1], [*last, 1]]) @ place.T
            expected_ijk = np.array([[s.start for s in LUNGS[::-1]], [s.stop - 1 for s in LUNGS[::-1]]])
            expected = np.c_[expected_ijk, [1, 1]] @ ijk_to_ras(direction=OBLIQUE).T
            np.testing.assert_allclose(corners, expected, atol=1e-6)

    def test_a_parent_transform_moves_the_segments(self):
        segmentation = self.a_segmentation(add_pair()["fixedMask"])
        before = mask_parts(segmentation)[0].geometry.origin_ras_mm
        shift = np.eye(4)
        shift[:3, 3] = (1, 2, 3)
        segmentation.SetAndObserveTransformNodeID(add_linear_transform("shift", shift).GetID())
        np.testing.assert_allclose(mask_parts(segmentation)[0].geometry.origin_ras_mm, before + (1, 2, 3), atol=1e-9)

    def test_masks_that_mark_nothing_are_refused_in_words(self):
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing")
        empty.GetSegmentation().AddEmptySegment("lung")
        with self.assertRaisesRegex(InvalidVolumeError, "nothing marks nothing"):
            mask_parts(empty)
        with self.assertRaisesRegex(InvalidVolumeError, "holds no labels"):
            mask_parts(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "no voxels"))

    def test_segments_that_are_only_surfaces_are_refused_in_words(self):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surfaces")
        sphere = vtk.vtkSphereSource()
        sphere.Update()
        node.GetSegmentation().SetSourceRepresentationName("Closed surface")
        node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "lung", [1.0, 0.0, 0.0])
        with self.assertRaisesRegex(InvalidVolumeError, "are surfaces"):
            mask_parts(node)

    def test_a_segmentation_can_be_shown_when_its_segments_come(self):
        """Slicer's tree of nodes asks for the display node with each of them, and logs an error where there is none."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        there = []
        node.GetSegmentation().AddObserver(
            slicer.vtkSegmentation.SegmentAdded, lambda *_: there.append(node.GetDisplayNode() is not None)
        )
        masks = {name: lungs().astype(np.uint8) for name in (fold_nodes.FOLDS, fold_nodes.LUNGS)}
        run_through(fold_nodes.fill_segmentation(node, masks, add_pair()["fixedVolume"]))
        self.assertEqual(there, [True, True])

    def a_segmentation(self, label_map):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lungs")
        slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(label_map, node)
        self.assertEqual(node.GetSegmentation().GetNumberOfSegments(), 1)
        return node


class NePhiLandmarkNodesTest(unittest.TestCase):
    POINTS = np.array([[1.0, 2, 3], [-4, 5, 6]])

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_no_lists_are_no_landmarks(self):
        self.assertEqual(landmark_pair(None, None), (None, None))

    def test_landmarks_are_taken_in_the_world(self):
        fixed, moving = add_points("f", self.POINTS), add_points("m", self.POINTS + 1)
        shift = np.eye(4)
        shift[:3, 3] = (10, 20, 30)
        moving.SetAndObserveTransformNodeID(add_linear_transform("shift", shift).GetID())
        fixed_points, moving_points = landmark_pair(fixed, moving)
        np.testing.assert_allclose(fixed_points, self.POINTS)
        np.testing.assert_allclose(moving_points, self.POINTS + 1 + (10, 20, 30))

    def test_lists_that_do_not_belong_together_are_refused_in_words(self):
        two, one = add_points("two", self.POINTS), add_points("one", self.POINTS[:1])
        with self.assertRaisesRegex(InvalidLandmarksError, "two has 2 points and one 1"):
            landmark_pair(two, one)
        with self.assertRaisesRegex(InvalidLandmarksError, "Choose the moving landmarks too"):
            landmark_pair(two, None)
        with self.assertRaisesRegex(InvalidLandmarksError, "none has no points"):
            landmark_pair(two, add_points("none", np.zeros((0, 3))))

    def test_a_point_that_was_never_placed_is_refused_in_words(self):
        unplaced = add_points("half", self.POINTS)
        unplaced.UnsetNthControlPointPosition(1)
        with self.assertRaisesRegex(InvalidLandmarksError, "never placed"):
            landmark_pair(add_points("f", self.POINTS), unplaced)
