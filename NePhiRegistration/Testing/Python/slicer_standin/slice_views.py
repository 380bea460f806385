"""Slice views drawn by Slicer's own displayable managers, in software, without a display.

Follows Libs/MRML/Widgets/qMRMLSliceView.cxx, qMRMLSliceControllerWidget.cxx and, for the image below the displayable
managers, commontk/CTK Libs/Visualization/VTK/Core/vtkLightBoxRendererManager.cpp. Only pictures need them: tests work
on the nodes of the views.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

_MANAGERS = (
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


class SliceView:
    """One slice view of a layout.

    Args:
        name: "Red", "Green" or "Yellow".
        orientation: "Axial", "Coronal" or "Sagittal".
        size: width and height, pixels.
    """

    def __init__(self, name: str, orientation: str, size: tuple[int, int]) -> None:
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(*size)
        self._renderer = vtk.vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.Initialize()
        self._mapper = self._add_image()
        self.logic = slicer.vtkMRMLSliceLogic()
        application_logic = slicer.app.applicationLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.node = self.logic.AddSliceNode(name)
        self.node.SetOrientation(orientation)
        self._managers = self._make_managers(application_logic)
        self.resize(*size)

    def resize(self, width: int, height: int) -> None:
        """Change the size in pixels; what is shown stays in the middle."""
        self._window.SetSize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def _add_image(self) -> vtk.vtkImageMapper:
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(actor)
        return mapper

    def _make_managers(self, application_logic):
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(application_logic)
        for name in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        managers = slicer.vtkMRMLDisplayableManagerGroup()
        managers.SetRenderer(self._renderer)
        managers.Initialize(factory, self._renderer)
        managers.SetMRMLDisplayableNode(self.node)
        return managers

    def zoom(self, factor: float) -> None:
        x, y, z = self.node.GetFieldOfView()
        self.node.SetFieldOfView(x / factor, y / factor, z)

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8, rows from the top."""
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self._window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        width, height, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3]
