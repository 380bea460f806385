"""Runs from the panel, with the real child process on a tiny pair: progress, cancelling, errors, a scene that goes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import panel_cases
import scene_cases
import slicer
from panel_cases import PanelCase
from scene_cases import process_events_until

LONGEST_BLOCK_S = 0.2
CANCEL_S = 2.0
MANY_ITERATIONS = 5000


class NePhiRunTest(PanelCase):
    def setUp(self):
        super().setUp()
        panel_cases.add_views()
        quick = scene_cases.without_search()
        quick.__enter__()
        self.addCleanup(quick.__exit__, None, None, None)
        self.pair = self.select_pair()
        self.parameters.modelFile = scene_cases.small_model_file()
        self.parameters.gridSpacing = 8.0
        self.ui.deviceCombo.currentIndex = 1
        self.ui.progressButton.collapsed = False
        self.wait_for_remarks()

    def apply(self, iterations: int) -> None:
        self.ui.iterationsSpin.value = iterations
        self.ui.applyButton.click()
        self.assertEqual(self.ui.applyButton.text, "Cancel")

    def wait_for_end(self) -> float:
        """Returns the longest time in seconds that the event loop was held up."""
        return process_events_until(lambda: not self.panel.run.is_running)

    def wait_until_it_optimizes(self) -> None:
        process_events_until(lambda: self.panel.run.plot.count > 3)

    def assert_ready_for_the_next_run(self, message: str) -> None:
        self.assertIn(message, self.ui.messageLabel.text)
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled), ("Apply", True))
        self.assertTrue(self.ui.inputsButton.enabled)
        self.assertTrue(self.ui.runFrame.isHidden())

    def scene_names(self) -> set:
        nodes = (slicer.mrmlScene.GetNthNode(index) for index in range(slicer.mrmlScene.GetNumberOfNodes()))
        return {node.GetName() for node in nodes if not node.GetHideFromEditors()}

    def test_a_mask_leaves_the_views_when_a_run_begins_and_other_labels_stay(self):
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        self.parameters.movingMask = None
        for shown, kept in (("fixedMask", None), ("movingMask", self.pair["movingMask"].GetID())):
            for composite in composites:
                composite.SetLabelVolumeID(self.pair[shown].GetID())
            self.apply(iterations=1)
            self.wait_for_end()
            self.assertEqual({composite.GetLabelVolumeID() for composite in composites}, {kept})

    def test_apply_runs_to_a_result_and_never_blocks_the_window(self):
        self.apply(iterations=60)
        texts, shares = set(), []

        def note() -> bool:
            texts.add(self.ui.progressLabel.text.split("\n")[0].split(":")[0])
            shares.append(self.ui.progressBar.value)
            return not self.panel.run.is_running

        blocked_s = process_events_until(note)
        self.assertLess(blocked_s, LONGEST_BLOCK_S)
        self.assertIn("Optimizing", texts)
        self.assertEqual(shares, sorted(shares))
        self.assert_ready_for_the_next_run("Finished after")
        for name in ("transform", "inverse", "warped", "determinant", "folds", "quality"):
            self.assertIsNotNone(getattr(self.parameters, name), name)
            self.assertIs(getattr(self.ui, f"{name}Selector").currentNode(), getattr(self.parameters, name))
        self.assertFalse(self.ui.resultButton.isHidden())
        self.assertIn("Inverse consistency", self.ui.qualityLabel.text)
        process_events_until(lambda: self.layers()[:2] == ("fixed", "log2 det J"))
        self.assertTrue(self.ui.overlayCheck.checked)

    def test_progress_curve_and_log_while_it_runs(self):
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        process_events_until(lambda: "step" in self.ui.progressLabel.text)
        self.assertRegex(self.ui.progressLabel.text, rf"Optimizing: step \d+ of {MANY_ITERATIONS}\n\d+:\d\d elapsed")
        self.assertFalse(self.ui.lossLabel.pixmap.isNull())
        self.assertIn("0:00  Starting\n", self.ui.logText.plainText)
        self.assertIn("  Optimizing", self.ui.logText.plainText)
        self.assertFalse(self.ui.inputsButton.enabled)

    def test_live_preview_moves_a_stand_in_and_leaves_the_moving_volume_alone(self):
        self.apply(MANY_ITERATIONS)
        process_events_until(lambda: self.panel.run.preview.is_shown)
        background, foreground, opacity = self.layers()
        self.assertEqual((background, foreground, opacity), ("fixed", "moving (preview)", 0.5))
        self.assertIsNone(self.pair["movingVolume"].GetTransformNodeID())
        self.discard()
        self.assertEqual(self.layers()[1], "")

    def discard(self) -> None:
        self.ui.applyButton.click()
        self.ui.discardButton.click()
        self.wait_for_end()

    def test_cancel_asks_and_can_be_taken_back(self):
        self.apply(MANY_ITERATIONS)
        self.ui.applyButton.click()
        self.assertFalse(self.ui.cancelFrame.isHidden())
        self.ui.continueButton.click()
        self.assertTrue(self.ui.cancelFrame.isHidden())
        self.assertTrue(self.panel.run.is_running)

    def test_discarding_midway_ends_within_two_seconds_and_leaves_the_scene_as_it_was(self):
        before = self.scene_names()
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        self.ui.applyButton.click()
        self.ui.discardButton.click()
        process_events_until(lambda: not self.panel.run.is_running, CANCEL_S)
        self.assert_ready_for_the_next_run("Cancelled. The scene is as it was before.")
        self.assertEqual(self.scene_names(), before)
        self.assertIsNone(self.parameters.transform)

    def test_keeping_the_best_so_far_gives_a_result(self):
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        self.ui.applyButton.click()
        self.ui.keepButton.click()
        self.wait_for_end()
        self.assert_ready_for_the_next_run("Cancelled: kept the best so far")
        self.assertIsNotNone(self.parameters.transform)
        self.assertIn("interrupted after", self.ui.qualityLabel.text)

    def test_a_second_run_fills_the_same_nodes(self):
        self.apply(iterations=5)
        self.wait_for_end()
        transform, names = self.parameters.transform, self.scene_names()
        self.apply(iterations=6)
        self.wait_for_end()
        self.assertIs(self.parameters.transform, transform)
        self.assertEqual(self.scene_names(), names)

    def test_a_killed_child_becomes_a_sentence(self):
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        self.panel.run._run._child.kill()
        self.wait_for_end()
        self.assert_ready_for_the_next_run("killed")

    def test_an_unusable_weights_file_becomes_a_sentence(self):
        path = Path(self.parameters.modelFile)
        path.write_bytes(b"no weights")
        self.apply(iterations=5)
        self.wait_for_end()
        self.assert_ready_for_the_next_run(path.name)

    def test_a_node_deleted_during_the_run_becomes_a_sentence(self):
        self.apply(MANY_ITERATIONS)
        slicer.mrmlScene.RemoveNode(self.pair["movingMask"])
        self.wait_for_end()
        self.assert_ready_for_the_next_run("moving lungs was removed")

    def test_closing_the_scene_stops_the_run(self):
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        child = self.panel.run._run._child
        slicer.mrmlScene.Clear(0)
        self.assertFalse(self.panel.run.is_running)
        self.assertIn("The scene was closed", self.ui.messageLabel.text)
        self.assertEqual(self.ui.applyButton.text, "Select a fixed volume")
        process_events_until(lambda: child.exit_code() is not None, CANCEL_S)

    def test_reloading_the_module_stops_the_run_and_the_new_panel_works(self):
        self.apply(MANY_ITERATIONS)
        self.wait_until_it_optimizes()
        child = self.panel.run._run._child
        slicer.util.reloadScriptedModule("NePhiRegistration")
        process_events_until(lambda: child.exit_code() is not None, CANCEL_S)
        self.wait_for_remarks()
        self.apply(iterations=5)
        self.wait_for_end()
        self.assert_ready_for_the_next_run("Finished after")

    def test_leaving_the_panel_lets_the_run_go_on(self):
        self.apply(iterations=30)
        self.representation.exit()
        self.wait_for_end()
        self.representation.enter()
        self.assert_ready_for_the_next_run("Finished after")
        self.assertIsNotNone(self.parameters.warped)

    def test_a_saved_result_comes_back_with_card_curve_and_overlay(self):
        self.apply(iterations=20)
        self.wait_for_end()
        card, folds = self.ui.qualityLabel.text, self.ui.foldLabel.text
        panel_cases.save_and_load_scene(self.widget)
        self.assertEqual((self.ui.qualityLabel.text, self.ui.foldLabel.text), (card, folds))
        self.assertGreater(self.panel.run.plot.count, 2)
        self.assertEqual(self.layers()[1], "log2 det J")
