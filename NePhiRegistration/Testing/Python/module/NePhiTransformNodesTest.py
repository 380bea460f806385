"""Maps as transform nodes, and transform nodes as initial transforms. Runs in Slicer and on the stand-in."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer
import vtk
from scene_cases import (
    OBLIQUE,
    ORIGIN_RAS_MM,
    SHAPE_KJI,
    add_bent_transform,
    add_linear_transform,
    add_points,
    add_volume,
    hu,
    ijk_to_ras,
)
from vtk.util import numpy_support

from NePhiCore.displacement_field import DisplacementField, map_points
from NePhiCore.errors import InvalidTransformError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.grid_field import on_orthonormal_grid, warp_volume_cubic
from NePhiCore.pair_data import GridData
from NePhiCore.volume import Volume
from NePhiRegistrationLib.steps import run_through
from NePhiRegistrationLib.transform_nodes import (
    TransformBackup,
    describe_transform,
    fill_grid_transform,
    initial_transform,
    transformed,
)

GRID = (7, 8, 9)
LEFT_HANDED = OBLIQUE @ np.diag([1.0, 1.0, -1.0])


def a_grid(direction=OBLIQUE) -> GridData:
    """Random displacements of some millimetres on a grid that covers the pair of `scene_cases`."""
    displacement = np.random.default_rng(3).normal(0, 4, (*GRID, 3)).astype(np.float32)
    spacing = (14.0, 15.0, 16.0)
    return GridData(displacement, ImageGeometry.from_spacing(GRID, spacing, ORIGIN_RAS_MM, direction))


def filled(grid: GridData):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "map")
    run_through(fill_grid_transform(node, grid))
    return node


def mapped(node, points_ras_mm: np.ndarray) -> np.ndarray:
    """World points through the node, in the direction that a volume is resampled by."""
    transform = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(transform)
    return transformed(transform, points_ras_mm)


class NePhiTransformNodesTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_grid_points_are_displaced_as_the_field_says(self):
        for direction in (np.eye(3), OBLIQUE, LEFT_HANDED):
            grid = a_grid(direction)
            points = grid.geometry.points_ras_mm().reshape(-1, 3)
            moved = mapped(filled(grid), points)
            np.testing.assert_allclose(moved - points, grid.displacement_ras_mm.reshape(-1, 3), atol=1e-4)

    def test_between_the_grid_points_it_is_cubic_and_beyond_them_the_edge_is_repeated(self):
        node = filled(a_grid())
        transform = node.GetTransformFromParentAs("vtkOrientedGridTransform")
        self.assertEqual(transform.GetInterpolationModeAsString(), "Cubic")
        corner = a_grid().geometry.origin_ras_mm
        outside = corner - 100 * OBLIQUE.sum(1)
        np.testing.assert_allclose(
            mapped(node, outside[None])[0] - outside, a_grid().displacement_ras_mm[0, 0, 0], atol=1e-4
        )

    def test_a_point_list_under_the_node_moves_the_other_way(self):
        shift = GridData(np.full((*GRID, 3), (0, 0, 10), np.float32), a_grid().geometry)
        points = add_points("points", np.array([[0.0, 0, 0]]))
        points.SetAndObserveTransformNodeID(filled(shift).GetID())
        np.testing.assert_allclose(points.GetNthControlPointPositionWorld(0), (0, 0, -10), atol=1e-3)

    def test_the_map_survives_a_saved_scene(self):
        grid = a_grid(LEFT_HANDED)
        node = filled(grid)
        points = np.random.default_rng(4).uniform(-40, 60, (300, 3))
        before = mapped(node, points)
        fixed, moving = (add_volume(name, hu(), ijk_to_ras()) for name in ("fixed", "moving"))
        settings = {"preset": "fast", "iterations": 0}
        describe_transform(node, {"version": "0.1.0", "seed": 3, "settings": settings}, fixed, moving)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(path))
            slicer.mrmlScene.Clear()
            self.assertTrue(slicer.mrmlScene.ReadFromMRB(path, True))
        node = slicer.util.getNode("map")
        np.testing.assert_allclose(mapped(node, points), before, atol=1e-4)
        self.assertEqual(node.GetNodeReference("spatialRegistrationFixed").GetName(), "fixed")
        self.assertEqual(node.GetNodeReference("spatialRegistrationMoving").GetName(), "moving")
        self.assertEqual(node.GetAttribute("NePhi.version"), "0.1.0")
        self.assertEqual(json.loads(node.GetAttribute("NePhi.settings")), settings)

    def test_an_image_warped_by_the_core_equals_one_resampled_through_the_node(self):
        for direction in (OBLIQUE, LEFT_HANDED):
            field = DisplacementField(a_grid(direction).displacement_ras_mm, a_grid(direction).geometry)
            geometry = ImageGeometry(SHAPE_KJI, ijk_to_ras(direction=direction))
            moving = Volume(hu().astype(np.float32), geometry, "moving")
            warped = warp_volume_cubic(moving, field, geometry)
            expected = resampled(moving, filled(a_grid(direction)), geometry)
            inside = expected > -2000
            self.assertGreater(inside.mean(), 0.5)
            self.assertLess(np.abs(warped - expected)[inside].max(), 0.05)

    def test_a_field_over_a_sheared_image_gets_an_upright_grid(self):
        sheared = ijk_to_ras()
        sheared[1, 2] = 1.0  # gantry tilt: 4 mm slices, 1 mm further back each
        field = DisplacementField(np.zeros((*SHAPE_KJI, 3), np.float32) + (1, 2, 3), ImageGeometry(SHAPE_KJI, sheared))
        upright = on_orthonormal_grid(field)
        np.testing.assert_allclose(upright.geometry.direction, np.eye(3), atol=1e-12)
        corners = field.geometry.corners_ras_mm()
        box = upright.geometry.corners_ras_mm()
        self.assertTrue((box.min(0) <= corners.min(0) + 1e-9).all() and (box.max(0) >= corners.max(0) - 1e-9).all())
        np.testing.assert_allclose(map_points(upright, corners), corners + (1, 2, 3), atol=1e-4)

    def test_a_backup_gives_a_node_its_content_back(self):
        linear = np.diag([1.0, 2.0, 3.0, 1.0])
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "mine")
        node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(linear))
        backup = TransformBackup(node)
        run_through(fill_grid_transform(node, a_grid()))
        self.assertFalse(node.IsLinear())
        backup.restore()
        np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(node), linear)
        self.assertEqual(node.GetName(), "mine")


class NePhiInitialTransformTest(unittest.TestCase):
    GEOMETRY = ImageGeometry(SHAPE_KJI, ijk_to_ras())

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.moving = add_volume("moving", hu(), ijk_to_ras())

    def last(self, node):
        return run_through(initial_transform(node, self.moving, self.GEOMETRY))

    def test_no_node_is_no_transform(self):
        self.assertIsNone(self.last(None))

    def test_a_linear_node_maps_fixed_points_back_to_where_the_moving_volume_is_now(self):
        shift = np.eye(4)
        shift[:3, 3] = (0, 0, 10)  # applied to the moving volume it would come 10 mm up
        np.testing.assert_allclose(self.last(add_linear_transform("up", shift))[:3, 3], (0, 0, -10))

    def test_parents_of_the_node_count(self):
        doubled = add_linear_transform("double", np.diag([2.0, 2, 2, 1]))
        node = add_linear_transform("one", np.eye(4))
        node.SetAndObserveTransformNodeID(doubled.GetID())
        np.testing.assert_allclose(self.last(node), np.diag([0.5, 0.5, 0.5, 1]))

    def test_a_bent_node_is_read_on_a_grid_over_the_fixed_volume(self):
        node = add_bent_transform("bent")
        grid = self.last(node)
        points = np.random.default_rng(5).uniform((-45, -55, -35), (40, 30, 40), (100, 3))
        field = DisplacementField(grid.displacement_ras_mm, grid.geometry)
        np.testing.assert_allclose(map_points(field, points), mapped(node, points), atol=0.05)

    def test_a_node_that_is_applied_already_is_refused_in_words(self):
        node = add_linear_transform("here", np.eye(4))
        self.moving.SetAndObserveTransformNodeID(node.GetID())
        with self.assertRaisesRegex(InvalidTransformError, "here is already applied to moving"):
            self.last(node)

    def test_a_node_that_cannot_be_inverted_is_refused_in_words(self):
        with self.assertRaisesRegex(InvalidTransformError, "cannot be inverted"):
            self.last(add_linear_transform("flat", np.diag([1.0, 1, 0, 1])))


def resampled(moving: Volume, node, geometry: ImageGeometry) -> np.ndarray:
    """VTK's own resampling of an image through a transform node onto a grid; -3000 outside."""
    image = vtk.vtkImageData()
    image.SetDimensions(*moving.hu.shape[::-1])
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(moving.hu.ravel(), deep=True))
    steps = vtk.vtkGeneralTransform()
    steps.PostMultiply()
    steps.Concatenate(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    from_world = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(from_world)
    steps.Concatenate(from_world)
    steps.Concatenate(slicer.util.vtkMatrixFromArray(moving.geometry.ras_to_ijk))
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(steps)
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(-3000)
    reslice.SetOutputExtent(0, geometry.shape_kji[2] - 1, 0, geometry.shape_kji[1] - 1, 0, geometry.shape_kji[0] - 1)
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.Update()
    return numpy_support.vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(geometry.shape_kji)
