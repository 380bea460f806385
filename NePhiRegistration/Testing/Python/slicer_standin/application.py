"""`slicer.app`: Qt's application with what modules ask Slicer's for, started without a main window.

Follows Base/QTCore/qSlicerCoreApplication.cxx and Base/QTGUI/qSlicerApplication.cxx.
"""

from __future__ import annotations

import tempfile

from PySide6 import QtCore, QtWidgets


class SlicerApplication(QtWidgets.QApplication):
    """As with `Slicer --no-main-window --testing`: no layout manager, and no dialog waits for an answer."""

    startupCompleted = QtCore.Signal()

    def __init__(self, scene, application_logic) -> None:
        super().__init__(["Slicer", "--no-main-window", "--testing"])
        self.setApplicationName("Slicer")
        self.setStyle("Fusion")
        self._scene = scene
        self._logic = application_logic
        self.temporaryPath = tempfile.gettempdir()

    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def layoutManager(self) -> None:
        """None, as Slicer's is without a main window."""
        return

    def moduleManager(self):
        import slicer

        return slicer.modules._manager

    def testingEnabled(self) -> bool:
        return True
