"""The Jacobian overlay on real MRML nodes: what is counted, what is drawn, where the slices jump."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import panel_cases
import scene_cases
import slicer
from panel_cases import PanelCase
from scene_cases import process_events_until

from NePhiRegistrationLib import determinant_colours, segments

LARGE, SMALL, ALMOST = 2 * 3 * 4, 1, 1
USUAL_PANEL_WIDTH = 380
LUNG_VOXELS = 20 * 22 * 26


class NePhiFoldOverlayTest(PanelCase):
    def setUp(self):
        super().setUp()
        panel_cases.add_views()
        with slicer.util.NodeModify(self.parameters):
            panel_cases.add_result(self.parameters)

    @property
    def overlay(self):
        return self.panel.result.overlay

    def shown_volume(self):
        return slicer.util.getNode("log2 det J")

    def views_are_at(self, ras_mm) -> bool:
        """Each slice view passes through the point and has it in its centre."""
        views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
        centres = [[view.GetSliceToRAS().GetElement(row, 3) for row in range(3)] for view in views]
        return len(views) == 3 and np.allclose(centres, ras_mm, atol=1e-6)

    def test_folds_are_counted_in_the_lungs_alone(self):
        self.assertEqual((self.overlay.folded_voxels, self.overlay.lung_voxels), (LARGE + SMALL, LUNG_VOXELS))
        self.assertEqual([fold.voxels for fold in self.overlay.folds], [LARGE, SMALL])
        self.assertEqual(self.ui.foldLabel.text, "25 folded voxels in 2 places, 0.22 % of the lungs")

    def test_next_and_previous_jump_the_slices_to_the_worst_voxel_of_each_fold(self):
        large = panel_cases.world_of((9, 11, 13), self.parameters.determinant)
        small = panel_cases.world_of(panel_cases.SMALL_FOLD_KJI[::-1], self.parameters.determinant)
        for button, place, words in (
            ("nextFoldButton", large, "Fold 1 of 2: 24 voxels at "),
            ("nextFoldButton", small, "Fold 2 of 2: 1 voxel at "),
            ("nextFoldButton", large, "Fold 1 of 2"),
            ("previousFoldButton", small, "Fold 2 of 2"),
        ):
            getattr(self.ui, button).click()
            self.assertTrue(self.views_are_at(place), words)
            self.assertIn(words, self.ui.foldLabel.text)

    def test_the_crosshair_marks_the_fold_until_the_overlay_goes(self):
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        self.ui.overlayCheck.click()
        self.ui.nextFoldButton.click()
        place = panel_cases.world_of((9, 11, 13), self.parameters.determinant)
        np.testing.assert_allclose(crosshair.GetCrosshairRAS(), place, atol=1e-6)
        self.assertEqual(crosshair.GetCrosshairMode(), crosshair.ShowSmallBasic)
        self.ui.overlayCheck.click()
        self.assertEqual(crosshair.GetCrosshairMode(), crosshair.NoCrosshair)

    def test_folds_of_a_volume_under_a_transform_are_found_where_it_is_shown(self):
        matrix = np.eye(4)
        matrix[:3, 3] = (100, 20, -30)
        parent = scene_cases.add_linear_transform("parent", matrix)
        self.parameters.determinant.SetAndObserveTransformNodeID(parent.GetID())
        self.ui.nextFoldButton.click()
        place = panel_cases.world_of((9, 11, 13), self.parameters.determinant) + matrix[:3, 3]
        self.assertTrue(self.views_are_at(place))

    def test_the_overlay_is_switched_and_faded(self):
        self.assertEqual(self.layers()[1], "")
        self.ui.overlayCheck.click()
        self.assertEqual(self.layers()[1:], ("log2 det J", 0.6))
        self.ui.opacitySlider.value = 0.25
        self.assertEqual(self.layers()[1:], ("log2 det J", 0.25))
        self.ui.overlayCheck.click()
        self.assertEqual(self.layers()[1], "")

    def test_a_higher_threshold_counts_what_is_close_to_a_fold(self):
        self.ui.thresholdSlider.value = 0.2
        process_events_until(lambda: self.overlay.folded_voxels == LARGE + SMALL + ALMOST)
        self.assertEqual(self.ui.foldLabel.text.split(",")[0], "26 folded voxels in 3 places")

    def test_colours_are_log2_of_det_j_with_folds_apart_and_nothing_outside(self):
        values = slicer.util.arrayFromVolume(self.shown_volume())
        self.assertEqual(values.shape, (20, 22, 26))
        ordinary = values[0, 0, 0]
        self.assertAlmostEqual(float(ordinary), np.log2(1.5), places=5)
        self.assertEqual(np.count_nonzero(values == determinant_colours.FOLD_VALUE), LARGE + SMALL)
        display = self.shown_volume().GetDisplayNode()
        self.assertTrue(display.GetApplyThreshold())
        self.assertGreater(display.GetLowerThreshold(), determinant_colours.OUTSIDE_VALUE)
        table = display.GetColorNode().GetLookupTable()
        table.SetTableRange(*determinant_colours.SCALAR_RANGE)
        fold_colour, grey = [0, 0, 0], [0, 0, 0]
        table.GetColor(determinant_colours.FOLD_VALUE, fold_colour)
        table.GetColor(0.0, grey)
        np.testing.assert_allclose(fold_colour, determinant_colours.FOLD_COLOUR, atol=0.01)
        np.testing.assert_allclose(grey, (0.90, 0.91, 0.92), atol=0.01)

    def test_the_legend_is_shown_with_the_overlay_and_speaks_of_det_j(self):
        self.ui.overlayCheck.click()
        legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(self.shown_volume())
        self.assertTrue(legend.GetVisibility())
        self.assertEqual(legend.GetTitleText(), "det J")
        colours = self.shown_volume().GetDisplayNode().GetColorNode()
        labels = [colours.GetColorName(index) for index in range(colours.GetNumberOfColors())]
        self.assertEqual([label for label in labels if label.strip()], ["fold", "1/4", "1/2", "1", "2", "4"])
        self.assertNotIn("", labels)  # a colour without a name is not in Slicer's legend
        self.assertNotIn(colours.GetNoName(), labels)
        self.ui.overlayCheck.click()
        self.assertFalse(legend.GetVisibility())

    def test_a_result_does_not_widen_the_panel(self):
        layout = self.ui.resultButton.parentWidget().layout()
        layout.invalidate()
        self.assertFalse(self.ui.resultButton.isHidden())
        self.assertLess(layout.minimumSize().width(), USUAL_PANEL_WIDTH)

    def test_what_is_drawn_is_neither_listed_nor_saved(self):
        for node in (self.shown_volume(), self.shown_volume().GetDisplayNode()):
            self.assertTrue(node.GetHideFromEditors())
            self.assertFalse(node.GetSaveWithScene())

    def test_a_map_without_folds_says_so(self):
        determinant = self.parameters.determinant
        slicer.util.arrayFromVolume(determinant)[:] = 1.0
        self.parameters.folds = panel_cases.add_segmentation(
            {"Lungs": np.ones(panel_cases.SHAPE_KJI, np.uint8)}, determinant
        )
        self.assertEqual(self.ui.foldLabel.text, "No folds in the lungs")
        self.assertFalse(self.ui.nextFoldButton.enabled)

    def test_nodes_that_no_registration_made_are_no_result(self):
        table, volume = self.parameters.quality, self.parameters.determinant
        self.parameters.quality = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "another table")
        self.assertIn("No figures", self.ui.qualityLabel.text)
        self.parameters.quality = table
        self.assertIn("Inverse consistency", self.ui.qualityLabel.text)
        self.parameters.folds = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "another segmentation")
        self.assertTrue(self.ui.resultButton.isHidden())
        self.assertIs(self.parameters.determinant, volume)

    def test_a_removed_result_leaves_nothing_behind(self):
        self.ui.overlayCheck.click()
        slicer.mrmlScene.RemoveNode(self.parameters.determinant)
        self.assertTrue(self.ui.resultButton.isHidden())
        self.assertEqual(self.layers()[1], "")
        self.assertIsNone(slicer.mrmlScene.GetFirstNodeByName("log2 det J"))

    def test_segments_are_read_where_they_are_and_resampled_where_they_are_not(self):
        mask = np.zeros(panel_cases.SHAPE_KJI, np.uint8)
        mask[3:9, 4:11, 5:12] = 1
        node = panel_cases.add_segmentation({"Lungs": mask}, self.parameters.determinant)
        found = segments.segment_array(node, "Lungs", self.parameters.determinant)
        np.testing.assert_array_equal(found, mask > 0)
        shifted = scene_cases.add_volume("shifted", mask[1:], _moved_up(self.parameters.determinant))
        np.testing.assert_array_equal(segments.segment_array(node, "Lungs", shifted), mask[1:] > 0)
        self.assertIsNone(segments.segment_array(node, "Folds", shifted))


def _moved_up(node) -> np.ndarray:
    """The grid of a volume without its lowest slice."""
    matrix = np.diag([-2.0, -2.0, 2.0, 1.0])
    matrix[:3, 3] = panel_cases.world_of((0, 0, 1), node)
    return matrix
