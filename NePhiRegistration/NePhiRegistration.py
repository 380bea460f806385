"""The module that Slicer loads. Loading it imports neither torch nor NePhiCore."""

from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

HELP = """
Registers two CT scans of the same lungs at different breathing states with NePhi, neural deformation fields.
The installed package <code>NePhiCore</code> can be used from the Python console and from scripts.
"""

ACKNOWLEDGEMENT = """
Method: Tian, Sengupta, Greer, San Jose Estepar, Niethammer: "NePhi: Neural Deformation Fields for Approximately
Diffeomorphic Medical Image Registration", ECCV 2024, arXiv:2309.07322. Please cite it when you use this module.
"""


class NePhiRegistration(ScriptedLoadableModule):
    """What Slicer shows of the module before anything of it runs."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "NePhi Registration"
        parent.categories = ["Registration"]
        parent.contributors = ["The NePhi Registration developers"]
        parent.helpText = HELP
        parent.acknowledgementText = ACKNOWLEDGEMENT
        # There is no panel: without these Slicer would list the module and open an error in its place.
        parent.hidden = True
        parent.widgetRepresentationCreationEnabled = False


class NePhiRegistrationTest(ScriptedLoadableModuleTest):
    """Run by Slicer's own test runner on the installed module."""

    def test_the_installed_module_finds_its_weights(self):
        from NePhiCore.model_store import default_model_path

        self.assertTrue(default_model_path().is_file())
