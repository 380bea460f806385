"""Slicer's scene with its application logic and the logics of the modules that this one works with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import slicer
import vtk

# As slicer.modules has them: name of the module, class of its logic.
MODULE_LOGICS = {
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
}

# The application owns these; without an owner they would end with the function that makes them.
_application_owned: list = []


def create_scene():
    """The scene as Slicer starts with: crosshair, slice orientations, node classes and logics registered.

    Follows Base/QTCore/qSlicerCoreApplication.cxx (init, setMRMLScene) and Base/QTCore/qSlicerCoreModule.

    Returns:
        vtkMRMLScene, vtkSlicerApplicationLogic, and the logics by their module's name.
    """
    scene = slicer.vtkMRMLScene()
    scene.SetRootDirectory(tempfile.gettempdir())
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    application_logic = slicer.vtkSlicerApplicationLogic()
    application_logic.SetMRMLScene(scene)
    home = Path(tempfile.mkdtemp(prefix="NePhiSlicerHome"))
    (home / "share" / "ColorFiles").mkdir(parents=True)
    application_logic.SetHomeDirectory(str(home))
    application_logic.SetShareDirectory("share")
    remote = slicer.vtkMRMLRemoteIOLogic()  # archives of scenes are unpacked in its cache
    remote.SetMRMLApplicationLogic(application_logic)
    remote.SetMRMLScene(scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="NePhiSceneCache"))
    data = slicer.vtkDataIOManagerLogic()
    data.SetMRMLApplicationLogic(application_logic)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    application_logic.SetMRMLSceneDataIO(scene, remote, data)
    _application_owned.extend((remote, data))
    application_logic.SetSliceLogics(vtk.vtkCollection())
    application_logic.SetViewLogics(vtk.vtkCollection())
    application_logic.GetColorLogic().SetMRMLScene(scene)
    application_logic.GetColorLogic().AddDefaultColorNodes()
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(application_logic)
    slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(application_logic)
    logics = {name: _logic(name, scene, application_logic) for name in MODULE_LOGICS}
    return scene, application_logic, logics


def _logic(name: str, scene, application_logic):
    logic = getattr(slicer, MODULE_LOGICS[name])()
    logic.SetMRMLApplicationLogic(application_logic)
    logic.SetMRMLScene(scene)
    application_logic.SetModuleLogic(name, logic)
    return logic
