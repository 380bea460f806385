"""The panel as a user meets it: what it says is missing, what it keeps, what it shows."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import panel_cases
import scene_cases
import slicer
from panel_cases import PanelCase

from NePhiCore.settings import settings_for
from NePhiRegistrationLib import parameter_node

OTHER_CHOICES = {
    "iterations": 42,
    "similaritySamplingRatio": 0.02,
    "regularitySamplingRatio": 0.003,
    "gridSpacing": 4.5,
    "modelFile": "/somewhere/other.pt",
    "seed": 7,
    "livePreview": False,
    "overlay": True,
    "overlayOpacity": 0.35,
    "foldThreshold": 0.2,
}


class NePhiPanelTest(PanelCase):
    def test_the_button_says_what_is_missing_one_thing_after_the_other(self):
        pair = scene_cases.add_pair()
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled), ("Select a fixed volume", False))
        self.ui.fixedVolumeSelector.setCurrentNode(pair["fixedVolume"])
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled), ("Select a moving volume", False))
        self.ui.movingVolumeSelector.setCurrentNode(pair["fixedVolume"])
        self.assertEqual(self.ui.applyButton.text, "Select two different volumes")
        self.ui.movingVolumeSelector.setCurrentNode(pair["movingVolume"])
        self.assertEqual((self.ui.applyButton.text, self.ui.applyButton.enabled), ("Apply", True))
        landmarks = scene_cases.add_points("landmarks", [(0, 0, 0)])
        self.ui.fixedLandmarksSelector.setCurrentNode(landmarks)
        self.assertEqual(self.ui.applyButton.text, "Select the moving landmarks too")

    def test_label_maps_are_offered_as_masks_and_not_as_volumes(self):
        scene_cases.add_pair()
        self.assertEqual(self.ui.fixedVolumeSelector.nodeCount(), 2)
        self.assertEqual(self.ui.fixedMaskSelector.nodeCount(), 2)

    def test_a_removed_volume_is_missing_again(self):
        pair = self.select_pair()
        slicer.mrmlScene.RemoveNode(pair["movingVolume"])
        self.assertEqual(self.ui.applyButton.text, "Select a moving volume")
        self.assertIsNone(self.ui.movingVolumeSelector.currentNode())

    def test_a_preset_sets_iterations_and_what_is_optimized(self):
        self.ui.presetCombo.currentIndex = 2
        accurate = settings_for("accurate")
        self.assertEqual(self.ui.iterationsSpin.value, accurate.iterations)
        self.assertEqual(self.parameters.optimise.value, accurate.optimise)
        self.ui.presetCombo.currentIndex = 0
        self.assertEqual((self.ui.iterationsSpin.value, self.parameters.optimise.value), (0, "none"))

    def test_the_panel_begins_with_the_settings_of_the_core(self):
        defaults = settings_for("balanced").as_dict()
        inputs = parameter_node.chosen_inputs(self.parameters)
        asked = {name: value for name, value in inputs.items() if name in defaults}
        self.assertEqual(asked, {name: defaults[name] for name in asked})
        self.assertGreater(len(asked), 7)

    def test_widgets_write_into_the_parameter_node_and_follow_it(self):
        self.ui.gridSpacingSpin.value = 6
        self.ui.optimiseCombo.currentIndex = 2
        self.assertEqual((self.parameters.gridSpacing, self.parameters.optimise.value), (6, "all"))
        self.parameters.iterations = 77
        self.assertEqual(self.ui.iterationsSpin.value, 77)

    def test_every_choice_comes_back_with_the_scene(self):
        pair = self.select_pair()
        self.ui.fixedVolumeSelector.setCurrentNode(pair["movingVolume"])
        self.ui.presetCombo.currentIndex = 2
        for name, value in OTHER_CHOICES.items():
            setattr(self.parameters, name, value)
        for combo, index in (("optimiseCombo", 1), ("deviceCombo", 1), ("compareCombo", 2)):
            getattr(self.ui, combo).currentIndex = index
        panel_cases.save_and_load_scene(self.widget)
        for name, value in OTHER_CHOICES.items():
            self.assertEqual(getattr(self.parameters, name), value, name)
        chosen = [self.parameters.preset, self.parameters.optimise, self.parameters.device, self.parameters.compare]
        self.assertEqual([choice.value for choice in chosen], ["accurate", "latent", "cpu", "after"])
        for name, node in {**pair, "fixedVolume": pair["movingVolume"]}.items():
            self.assertEqual(getattr(self.ui, f"{name}Selector").currentNode().GetName(), node.GetName(), name)
        self.assertEqual((self.ui.iterationsSpin.value, self.ui.presetCombo.currentIndex), (42, 2))

    def test_closing_the_scene_gives_a_fresh_panel(self):
        self.select_pair()
        self.parameters.iterations = 42
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.applyButton.text, "Select a fixed volume")
        self.assertEqual(self.ui.iterationsSpin.value, settings_for("balanced").iterations)

    def test_a_panel_that_is_not_shown_wakes_up_when_it_is_entered(self):
        self.representation.exit()
        slicer.mrmlScene.Clear(0)
        self.assertIsNone(self.parameters)
        self.representation.enter()
        self.assertEqual(self.ui.applyButton.text, "Select a fixed volume")

    def test_reloading_the_module_keeps_the_choices(self):
        pair = self.select_pair()
        self.parameters.iterations = 42
        before = self.widget
        slicer.util.reloadScriptedModule("NePhiRegistration")
        self.assertIsNot(self.widget, before)
        self.assertIs(self.ui.fixedVolumeSelector.currentNode(), pair["fixedVolume"])
        self.assertEqual((self.ui.iterationsSpin.value, self.ui.applyButton.text), (42, "Apply"))

    def test_free_memory_of_the_device_is_shown(self):
        self.ui.deviceCombo.currentIndex = 1
        self.assertRegex(self.ui.memoryLabel.text, r"^\d+\.\d GB of memory free$")

    def test_an_error_that_preflight_finds_keeps_apply_away(self):
        self.select_pair()
        self.parameters.modelFile = "/nowhere/at_all.pt"
        self.assertIn("/nowhere/at_all.pt does not exist", self.wait_for_remarks())
        self.assertEqual(self.ui.applyButton.text, "See the remarks in red")
        self.parameters.modelFile = ""
        self.assertNotIn("does not exist", self.wait_for_remarks())
        self.assertEqual(self.ui.applyButton.text, "Apply")

    def test_all_widgets_say_what_they_are_for(self):
        endings = ("Button", "Combo", "Spin", "Check", "Slider", "Selector", "Edit")
        sections = ("inputsButton", "optionalButton", "methodButton", "advancedButton", "outputsButton")
        # Labels stand beside what they name; "Slider" is a part of CTK's slider.
        parts = ("label", "Slider")
        named = {name: widget for name, widget in vars(self.ui).items() if name.endswith(endings)}
        silent = {name for name, widget in named.items() if not widget.toolTip and not name.startswith(parts)}
        self.assertEqual(silent - set(sections), {"applyButton", "progressButton", "resultButton"})
