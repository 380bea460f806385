"""Enough of 3D Slicer's application for the module's tests, around Slicer's real MRML.

`slicer-core` from PyPI holds Slicer's own MRML scene, nodes, logics, displayable managers and `slicer.util`. What the
desktop application adds to these is added here, on PySide6: only names that Slicer has, with Slicer's behaviour; each
docstring names the file of Slicer's source that it follows. MRML is never imitated.

After `install()` the imports of a Slicer module work: `import slicer, vtk, qt, ctk`,
`from slicer.ScriptedLoadableModule import *`, `from slicer.parameterNodeWrapper import *`, `import PyTorchUtils`.
"""

from __future__ import annotations

import importlib
import os
import sys

# No display is needed; read by Qt when it is loaded.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# Module names as Slicer has them, and where each is made here.
MODULES = {
    "qt": "qt",
    "ctk": "ctk",
    "slicer.i18n": "i18n",
    "slicer.ScriptedLoadableModule": "scripted_loadable_module",
    "slicer.parameterNodeWrapper": "parameter_node_wrapper",
    "PyTorchUtils": "pytorch_utils",
    "SampleData": "sample_data_module",
}


def install() -> None:
    """Make this process look like Slicer to a scripted module; once, however often it is called."""
    import slicer

    if hasattr(slicer, "mrmlScene"):
        return
    from . import application, modules, mrml_widgets, scene

    # Slicer's scene is there before any module is loaded, and lives as long as the application.
    slicer.mrmlScene, application_logic, logics = scene.create_scene()
    slicer.selfTests = {}
    for name, source in MODULES.items():
        sys.modules[name] = importlib.import_module(f".{source}", __name__)
        parent, _, attribute = name.rpartition(".")
        if parent:
            setattr(slicer, attribute, sys.modules[name])
    slicer.app = application.SlicerApplication(slicer.mrmlScene, application_logic)
    slicer.modules = modules.Modules(logics)
    mrml_widgets.register(slicer)
