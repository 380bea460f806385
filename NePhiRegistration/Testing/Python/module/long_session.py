"""A user who opens, runs, cancels and closes for hours, and what must not gather meanwhile."""

from __future__ import annotations

import gc
import os

import panel_cases
import scene_cases
import slicer
from scene_cases import process_events_until

MANY_ITERATIONS = 5000
WAYS = ("to the end", "discarded", "best kept", "scene closed midway")


class LongSession:
    """The panel over one Slicer session; each round begins and ends with a scene without volumes.

    Attributes:
        ended: message of the panel at the end of each round.
    """

    def __init__(self, temporary_folder: str) -> None:
        slicer.app.temporaryPath = temporary_folder
        slicer.mrmlScene.Clear(0)
        self._model_file = scene_cases.small_model_file()
        self._representation = slicer.modules.nephiregistration.widgetRepresentation()
        self._representation.enter()
        self.ended: list[str] = []

    @property
    def _panel(self):
        return self._representation.self().panel

    @property
    def _ui(self):
        return self._representation.self().ui

    def round(self, number: int) -> None:
        """Open a pair, register it in one of four ways, look elsewhere, close the scene."""
        way = WAYS[number % len(WAYS)]
        panel_cases.add_views()
        self._open()
        self._apply(5 if way == "to the end" else MANY_ITERATIONS)
        child = self._panel.run._run._child
        if way != "to the end":
            process_events_until(lambda: self._panel.run.plot.count > 3)
        if way == "scene closed midway":
            slicer.mrmlScene.Clear(0)
        elif way != "to the end":
            self._ui.applyButton.click()
            (self._ui.keepButton if way == "best kept" else self._ui.discardButton).click()
        process_events_until(lambda: not self._panel.run.is_running)
        self.ended.append(self._ui.messageLabel.text)
        self._representation.exit()
        self._representation.enter()
        slicer.mrmlScene.Clear(0)
        process_events_until(lambda: not self._panel._preflight.isActive())
        process_events_until(lambda: child is None or child.exit_code() is not None)

    def _open(self) -> None:
        for name, node in scene_cases.add_pair().items():
            getattr(self._ui, f"{name}Selector").setCurrentNode(node)
        parameters = self._representation.self()._parameterNode
        parameters.modelFile, parameters.gridSpacing = self._model_file, 8.0
        self._ui.deviceCombo.currentIndex = 1
        process_events_until(lambda: not self._panel._preflight.isActive())

    def _apply(self, iterations: int) -> None:
        self._ui.iterationsSpin.value = iterations
        self._ui.applyButton.click()
        process_events_until(lambda: not self._panel.run.is_running or self._panel.run._run._child is not None)
        if not self._panel.run.is_running:
            raise AssertionError(self._ui.messageLabel.text)


def held() -> dict[str, float]:
    """MRML nodes, observers of the scene, of its nodes and of the application, and files of jobs."""
    gc.collect()
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    jobs = [name for name in os.listdir(slicer.app.temporaryPath) if name.startswith("NePhi")]
    return {
        "MRML nodes": len(nodes),
        "observers of the scene": _observers(scene),
        "observers of nodes": sum(map(_observers, nodes)),
        "observers of the selection": _observers(slicer.app.applicationLogic()),
        "job folders": len(jobs),
    }


def _observers(thing) -> int:
    """VTK has no count of them, but it prints them."""
    return str(thing).count("vtkObserver (")
