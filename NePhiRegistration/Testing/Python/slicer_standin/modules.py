"""`slicer.modules`: loaded modules with their logics and panels.

Follows Base/QTCore/qSlicerModuleManager.cxx, Base/QTGUI/qSlicerScriptedLoadableModule.cxx and
Base/QTGUI/qSlicerScriptedLoadableModuleWidget.cxx.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import slicer
from PySide6 import QtCore, QtWidgets

from .mrml_widgets import qMRMLWidget


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The C++ side of a panel: holds the Python object and calls its setup, enter and exit."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self)
        self._path, self._python, self._entered = "", None, False

    def setPythonSource(self, path: str) -> None:
        """Make the object of the class NameWidget of the module file Name.py."""
        self._path = path
        class_name = Path(path).stem + "Widget"
        self._python = getattr(sys.modules[Path(path).stem], class_name)(self)
        setattr(slicer.modules, class_name, self._python)

    def self(self):
        return self._python

    def setup(self) -> None:
        self._python.setup()

    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def _call(self, name: str) -> None:
        method = getattr(self._python, name, None)
        if method is not None:
            method()

    def reload(self) -> None:
        self.setPythonSource(self._path)
        self.setup()

    isEntered = QtCore.Property(bool, lambda self: self._entered)


class ScriptedModule:
    """A module file: its texts, its logic, its panel, made when it is first asked for."""

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.stem, str(path)
        self.hidden, self.icon = False, None
        self._widget = None
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(self.name, path)
        source = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = source
        spec.loader.exec_module(source)
        self._python = getattr(source, self.name)(self)

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget()
            self._widget.setMRMLScene(slicer.mrmlScene)
            self._widget.setPythonSource(self.path)
            self._widget.setup()
        return self._widget

    def self(self):
        return self._python


class LoadableModule:
    """A module of C++ with the logic that it shares."""

    def __init__(self, name: str, logic) -> None:
        self.name, self._logic = name, logic

    def logic(self):
        return self._logic


class ModuleManager(QtCore.QObject):
    """Knows the loaded modules by their name."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, object] = {}

    def connect(self, signature: str, slot) -> None:
        getattr(self, signature.partition("(")[0]).connect(slot)

    def disconnect(self, signature: str, slot) -> None:
        getattr(self, signature.partition("(")[0]).disconnect(slot)

    def module(self, name: str):
        return self.loaded.get(name)

    def modulesNames(self) -> list[str]:
        return list(self.loaded)


class Modules:
    """Each loaded module as an attribute, its name in small letters."""

    def __init__(self, logics: dict[str, object]) -> None:
        self._manager = ModuleManager()
        for name, logic in logics.items():
            self._add(LoadableModule(name, logic))

    def _add(self, module) -> None:
        setattr(self, module.name.lower(), module)
        self._manager.loaded[module.name] = module


def load_module(path: str | Path) -> ScriptedModule:
    """Load a scripted module as Slicer does for `--additional-module-path`; Slicer is started then."""
    module = ScriptedModule(Path(path).resolve())
    slicer.modules._add(module)
    slicer.app.moduleManager().moduleLoaded.emit(module.name)
    slicer.app.startupCompleted.emit()
    return module
