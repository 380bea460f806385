"""Comparing fixed and moving volume in the slice views."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import panel_cases
import scene_cases
import slicer
from panel_cases import PanelCase
from scene_cases import process_events_until

from NePhiRegistrationLib.compare_views import checkerboard
from NePhiRegistrationLib.parameter_node import Compare
from NePhiRegistrationLib.resampling import on_grid_of


class NePhiCompareTest(PanelCase):
    def setUp(self):
        super().setUp()
        panel_cases.add_views()
        with slicer.util.NodeModify(self.parameters):
            panel_cases.add_result(self.parameters)

    def show(self, mode: Compare) -> str:
        """Choose a view; returns the name of the volume then in the background."""
        self.ui.compareCombo.currentIndex = list(Compare).index(mode)
        return self.layers()[0]

    def background(self) -> np.ndarray:
        return slicer.util.arrayFromVolume(slicer.util.getNode(self.layers()[0])).astype(float)

    def voxels(self, name: str) -> np.ndarray:
        return slicer.util.arrayFromVolume(getattr(self.parameters, name)).astype(float)

    def test_before_and_after_show_the_volumes_themselves(self):
        self.assertEqual(self.show(Compare.BEFORE), "movingVolume")
        self.assertEqual(self.show(Compare.AFTER), "warped")
        self.assertEqual(self.show(Compare.FIXED), "fixedVolume")

    def test_the_difference_is_moving_minus_fixed(self):
        self.assertEqual(self.show(Compare.DIFFERENCE_BEFORE), "Moving minus fixed, before (HU)")
        np.testing.assert_array_equal(self.background(), self.voxels("movingVolume") - self.voxels("fixedVolume"))
        self.assertEqual(self.show(Compare.DIFFERENCE_AFTER), "Moving minus fixed, after (HU)")
        np.testing.assert_array_equal(self.background(), self.voxels("warped") - self.voxels("fixedVolume"))

    def test_the_checkerboard_has_cubes_of_25_mm_of_both(self):
        self.assertEqual(self.show(Compare.CHECKERBOARD), "Checkerboard")
        board, fixed, warped = self.background(), self.voxels("fixedVolume"), self.voxels("warped")
        edge = 12  # 25 mm in voxels of 2 mm
        np.testing.assert_array_equal(board[:edge, :edge, :edge], fixed[:edge, :edge, :edge])
        beside = (slice(0, edge), slice(0, edge), slice(edge, 2 * edge))
        np.testing.assert_array_equal(board[beside], warped[beside])

    def test_flicker_alternates_until_something_else_is_chosen(self):
        self.show(Compare.FLICKER)
        process_events_until(lambda: self.layers()[0] == "warped")
        process_events_until(lambda: self.layers()[0] == "fixedVolume")
        self.show(Compare.AFTER)
        self.assertFalse(self.panel.result.compare.is_flickering)

    def test_flicker_stops_while_the_panel_is_not_shown(self):
        self.show(Compare.FLICKER)
        self.representation.exit()
        self.assertFalse(self.panel.result.compare.is_flickering)

    def test_flicker_survives_that_a_volume_is_removed(self):
        self.show(Compare.FLICKER)
        slicer.mrmlScene.RemoveNode(self.parameters.warped)
        process_events_until(lambda: not self.panel.result.compare.is_flickering)

    def test_without_a_warped_volume_the_fixed_one_is_shown(self):
        self.parameters.warped = None
        self.assertEqual(self.show(Compare.AFTER), "fixedVolume")

    def test_the_overlay_stays_above_whatever_is_compared(self):
        self.ui.overlayCheck.click()
        self.assertEqual(self.show(Compare.AFTER), "warped")
        self.assertEqual(self.layers()[1], "log2 det J")

    def test_what_is_made_for_comparing_goes_with_the_result(self):
        self.show(Compare.CHECKERBOARD)
        self.parameters.determinant = None
        self.assertIsNone(slicer.mrmlScene.GetFirstNodeByName("Checkerboard"))


class NePhiResamplingTest(PanelCase):
    def test_a_shifted_volume_is_read_where_it_lies(self):
        array = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
        matrix = np.diag([2.0, 2.0, 2.0, 1.0])
        reference = scene_cases.add_volume("reference", array, matrix)
        shifted = matrix.copy()
        shifted[0, 3] = 4.0  # its first voxel lies two voxels along i
        moved = scene_cases.add_volume("moved", array, shifted)
        found = on_grid_of(reference, moved)
        np.testing.assert_array_equal(found[:, :, 2:], array[:, :, :-2])
        np.testing.assert_array_equal(found[:, :, :2], -1024)

    def test_parent_transforms_count(self):
        array = np.arange(6 * 6 * 6, dtype=np.int16).reshape(6, 6, 6)
        nodes = [scene_cases.add_volume(name, array, np.eye(4)) for name in ("reference", "moved")]
        shift = np.eye(4)
        shift[1, 3] = 1.0
        nodes[1].SetAndObserveTransformNodeID(scene_cases.add_linear_transform("shift", shift).GetID())
        np.testing.assert_array_equal(on_grid_of(*nodes)[:, 1:, :], array[:, :-1, :])

    def test_a_bent_parent_transform_counts_too(self):
        array = np.arange(6 * 6 * 6, dtype=np.int16).reshape(6, 6, 6)
        nodes = [scene_cases.add_volume(name, array, np.eye(4)) for name in ("reference", "moved")]
        nodes[1].SetAndObserveTransformNodeID(scene_cases.add_bent_transform("bend").GetID())
        found = on_grid_of(*nodes)  # stretched by a twentieth about the origin
        place = [2 / 1.05, 4 / 1.05, 3 / 1.05]
        self.assertAlmostEqual(float(found[3, 4, 2]), np.dot(place, [1, 6, 36]), delta=1.0)

    def test_a_checkerboard_of_two_images(self):
        board = checkerboard(np.zeros((2, 2, 4), int), np.ones((2, 2, 4), int), (1, 2, 2))
        np.testing.assert_array_equal(board[0], [[0, 0, 1, 1], [0, 0, 1, 1]])
        np.testing.assert_array_equal(board[1], [[1, 1, 0, 0], [1, 1, 0, 0]])
