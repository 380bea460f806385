"""Lung function maps in the scene: their nodes, colours and figures. Runs in Slicer and on the stand-in."""

import numpy as np
import panel_cases
import slicer
import vtk
from panel_cases import PanelCase
from scene_cases import OBLIQUE, LogicCase, add_pair, ijk_to_ras, lungs

from NePhiCore.errors import NePhiError
from NePhiCore.lung_function_names import OUTSIDE, PRM_CLASSES
from NePhiRegistrationLib.lung_function_colours import show_parametric_response, show_ventilation
from NePhiRegistrationLib.registration_nodes import OutputNodes
from NePhiRegistrationLib.steps import run_through
from NePhiRegistrationLib.volume_nodes import fill_volume

MAPS = ("ventilationJacobian", "ventilationDensity", "parametricResponse")
ASKED = {"lungFunction": True, "inhale": "moving"}


class NePhiLungFunctionTest(LogicCase):
    def test_maps_lie_on_the_fixed_volume(self):
        pair = add_pair(OBLIQUE)
        nodes = self.register(**pair, **ASKED)
        by_volume, by_density, labels = (slicer.util.arrayFromVolume(getattr(nodes, name)) for name in MAPS)
        np.testing.assert_allclose(by_volume[lungs() > 0], 0, atol=1e-3)
        self.assertTrue((by_volume[lungs() == 0] == OUTSIDE).all())
        np.testing.assert_array_equal(labels > 0, by_density > OUTSIDE)
        self.assertEqual(labels.dtype, np.uint8)
        for name in MAPS:
            matrix = vtk.vtkMatrix4x4()
            getattr(nodes, name).GetIJKToRASMatrix(matrix)
            np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), ijk_to_ras(direction=OBLIQUE), atol=1e-9)
        self.assertEqual(nodes.parametricResponse.GetClassName(), "vtkMRMLLabelMapVolumeNode")

    def test_nothing_of_it_is_made_where_it_is_not_asked_for(self):
        nodes = self.register(**add_pair())
        for name in MAPS:
            self.assertIsNone(getattr(nodes, name))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode"), 0)

    def test_colours_have_a_legend_and_the_classes_their_names(self):
        nodes = self.register(**add_pair(), **ASKED)
        table = nodes.parametricResponse.GetDisplayNode().GetColorNode()
        self.assertEqual([table.GetColorName(each.label) for each in PRM_CLASSES], [each.title for each in PRM_CLASSES])
        colour = [0.0] * 4
        self.assertTrue(table.GetColor(3, colour))
        np.testing.assert_allclose(np.array(colour[:3]) * 255, PRM_CLASSES[2].colour, atol=1)
        display = nodes.ventilationJacobian.GetDisplayNode()
        self.assertTrue(display.GetApplyThreshold())
        self.assertLess(OUTSIDE, display.GetLowerThreshold())
        self.assertEqual((display.GetWindowLevelMin(), display.GetWindowLevelMax()), (-0.5, 2.0))
        find_legend = slicer.modules.colors.logic().GetColorLegendDisplayNode
        titles = [find_legend(getattr(nodes, name)).GetTitleText() for name in MAPS]
        self.assertEqual(titles[0], "(in - ex) / ex")
        self.assertEqual(titles[2], "Parametric response")

    def test_a_second_result_uses_the_same_colours(self):
        pair = add_pair()
        first = self.register(**pair, **ASKED)
        given = OutputNodes(**{name: getattr(first, name) for name in MAPS})
        count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
        legends = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")
        second = self.register(**pair, **ASKED, outputs=given)
        for name in MAPS:
            self.assertIs(getattr(second, name), getattr(first, name))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode"), count)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode"), legends)

    def test_figures_are_rows_of_the_table(self):
        nodes = self.register(**add_pair(), **ASKED)
        rows = [nodes.quality.GetCellText(n, 0) for n in range(nodes.quality.GetNumberOfRows())]
        self.assertIn("Parametric response, both lungs, small airways disease", rows)
        self.assertIn("Specific volume change, left lung, mean", rows)
        self.assertEqual(nodes.figures["lung_function"]["inhale_image"], "moving")

    def test_the_child_process_gives_the_same_maps(self):
        pair = add_pair(OBLIQUE)
        here = self.register(**pair, **ASKED)
        there = self.register(**pair, **ASKED, inChildProcess=True)
        for name in MAPS:
            np.testing.assert_array_equal(*(slicer.util.arrayFromVolume(getattr(n, name)) for n in (here, there)))
        self.assertEqual(here.figures["lung_function"], there.figures["lung_function"])

    def test_wrong_choices_are_refused(self):
        pair = add_pair()
        with self.assertRaisesRegex(NePhiError, "inhale must be"):
            self.register(**pair, lungFunction=True, inhale="exhale")
        plain = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "plain")
        with self.assertRaisesRegex(NePhiError, "cannot hold the parametricResponse"):
            self.register(**pair, **ASKED, outputs=OutputNodes(parametricResponse=plain))


class NePhiLungFunctionViewTest(PanelCase):
    """What the slice views show, on a result made by hand."""

    def setUp(self):
        super().setUp()
        panel_cases.add_views()
        with slicer.util.NodeModify(self.parameters):
            panel_cases.add_result(self.parameters)
            like = self.parameters.determinant
            for name in MAPS:
                kind = "vtkMRMLLabelMapVolumeNode" if name == "parametricResponse" else "vtkMRMLScalarVolumeNode"
                node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
                (show_parametric_response if name == "parametricResponse" else show_ventilation)(node)
                run_through(fill_volume(node, np.zeros(panel_cases.SHAPE_KJI, np.uint8), like))
                setattr(self.parameters, name, node)
            self.parameters.overlay = False

    def shown(self) -> tuple:
        """Names of what lies in the foreground and the label layer of the first slice view."""
        composite = slicer.mrmlScene.GetNthNodeByClass(0, "vtkMRMLSliceCompositeNode")
        ids = composite.GetForegroundVolumeID(), composite.GetLabelVolumeID()
        return tuple(each and slicer.mrmlScene.GetNodeByID(each).GetName() for each in ids)

    def test_each_map_has_its_layer(self):
        self.assertTrue(self.ui.lungMapCombo.enabled)
        for index, layers in ((1, (MAPS[0], None)), (2, (MAPS[1], None)), (3, (None, MAPS[2])), (0, (None, None))):
            self.ui.lungMapCombo.currentIndex = index
            self.assertEqual(self.shown(), layers)

    def test_a_map_and_the_overlay_take_turns(self):
        self.ui.overlayCheck.checked = True
        self.ui.lungMapCombo.currentIndex = 1
        self.assertEqual(self.shown(), (MAPS[0], None))
        self.assertFalse(self.ui.overlayCheck.checked)
        self.ui.overlayCheck.checked = True
        self.assertEqual(self.shown(), ("log2 det J", None))
        self.assertEqual(self.ui.lungMapCombo.currentIndex, 0)

    def test_a_map_that_is_removed_is_shown_no_more(self):
        self.ui.lungMapCombo.currentIndex = 3
        slicer.mrmlScene.RemoveNode(self.parameters.parametricResponse)
        self.ui.lungMapCombo.currentIndex = 1
        self.assertEqual(self.shown(), (MAPS[0], None))
