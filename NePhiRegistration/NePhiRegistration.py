"""The module that Slicer loads. Neither loading it nor opening its panel imports torch."""

import sys

import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from NePhiRegistrationLib.logic import NePhiRegistrationLogic as RegistrationLogic
from NePhiRegistrationLib.panel import RegistrationPanel
from NePhiRegistrationLib.parameter_node import NePhiParameterNode

HELP = """
Registers two CT scans of the same lungs at different breathing states with NePhi, neural deformation fields: choose
both volumes and press Apply. The result is a map in both directions and a card that says how good it is.
<br><br>From the Python console: <code>from NePhiRegistration import NePhiRegistrationLogic</code>, then
<code>NePhiRegistrationLogic().register(fixedVolume, movingVolume)</code>.
"""

ACKNOWLEDGEMENT = """
Method: Tian, Sengupta, Greer, San Jose Estepar, Niethammer: "NePhi: Neural Deformation Fields for Approximately
Diffeomorphic Medical Image Registration", ECCV 2024, arXiv:2309.07322. Please cite it when you use this module.
"""


class NePhiRegistration(ScriptedLoadableModule):
    """What Slicer shows of the module before anything of it runs."""

    def __init__(self, parent):
        super().__init__(parent)
        from NePhiCore import __version__

        parent.title = "NePhi Registration"
        parent.categories = ["Registration"]
        parent.contributors = ["The NePhi Registration developers"]
        parent.helpText = f"{HELP}<br><br>Version {__version__}, research software, not a medical device."
        parent.acknowledgementText = ACKNOWLEDGEMENT
        slicer.app.startupCompleted.connect(registerSampleData)


def registerSampleData():
    """Offer the sample pairs in the Sample Data module, which is there once Slicer has started."""
    from NePhiRegistrationLib.sample_data import register_sample_data

    register_sample_data()


class NePhiRegistrationLogic(RegistrationLogic):
    """What Slicer and its Python console call."""

    def getParameterNode(self):
        return NePhiParameterNode(super().getParameterNode())


class NePhiRegistrationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's place in Slicer: when it is entered and left, and when the scene comes and goes."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag, self._observerTags = None, range(0)

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NePhiRegistration.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = NePhiRegistrationLogic()
        self.panel = RegistrationPanel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self._afterImport = qt.QTimer()
        self._afterImport.setSingleShot(True)
        self._afterImport.timeout.connect(self.initializeParameterNode)
        self.initializeParameterNode()

    def cleanup(self):
        if self.panel is not None:
            self._afterImport.stop()
            self.setParameterNode(None)
            self.panel.cleanup()
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self):
        self.panel.exit()

    def onReload(self):
        """Reload the package beside this file too, so that a developer sees what was changed there."""
        for name in [name for name in sys.modules if name.split(".")[0] in ("NePhiRegistrationLib", "NePhiCore")]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller=None, event=None):
        self.panel.scene_closing()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller=None, event=None):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, caller=None, event=None):
        # Selectors fill up while nodes come in, and would write what they show meanwhile into the parameter node.
        self.setParameterNode(None)

    def onSceneEndImport(self, caller=None, event=None):
        if self.parent.isEntered:
            self._afterImport.start(0)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        self.panel.node_going(node)

    def initializeParameterNode(self):
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Follow another parameter node; None while there is none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            for tag in self._observerTags:
                self._parameterNode.RemoveObserver(tag)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            before = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            parameterNode.RemoveObserver(before)
            # As connectGui does, whose tag Slicer 5.6 forgets to return.
            named = {widget.property("SlicerParameterName"): widget for widget in vars(self.ui).values()}
            bound = {name: widget for name, widget in named.items() if name}
            self._parameterNodeGuiTag = parameterNode.connectParametersToGui(bound)
            # Not the mixin's addObserver, which keeps every node that it has ever seen: each scene brings a new one.
            last = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            # Connecting has added one too, which disconnectGui of Slicer 5.6 leaves behind, and with it the node
            # (_connectParametersToGui in Base/Python/slicer/parameterNodeWrapper/wrapper.py). Tags are counted upwards.
            self._observerTags = range(before + 1, last + 1)
        self.panel.set_parameters(parameterNode)

    def onParametersModified(self, caller=None, event=None):
        self.panel.parameters_changed()


class NePhiRegistrationTest(ScriptedLoadableModuleTest):
    """Run by Slicer's own test runner on the installed module."""

    def test_the_installed_module_finds_its_weights(self):
        from NePhiCore.model_store import default_model_path

        self.assertTrue(default_model_path().is_file())
