"""A tiny pair in the scene, an untrained model, and a child process without its search, for tests of the logic.

Runs in Slicer and on the stand-in: what is needed beside Slicer's own is found relative to this file.
"""

from __future__ import annotations

import sys
import tempfile
import time
import unittest
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import qt
import slicer
import vtk

MODULE_FOLDER = Path(__file__).resolve().parents[3]
REPOSITORY = MODULE_FOLDER.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
if str(MODULE_FOLDER) not in sys.path:
    sys.path.insert(0, str(MODULE_FOLDER))

SHAPE_KJI = (24, 26, 28)
SPACING_MM = 4.0
ORIGIN_RAS_MM = np.array([-50.0, -60.0, -40.0])
# The moving image is the fixed one, moved by this. An untrained model maps lung box to lung box: exactly this motion.
SHIFT_RAS_MM = np.array([10.0, -6.0, 14.0])
LUNGS = (slice(6, 18), slice(6, 20), slice(6, 22))
UPRIGHT = np.eye(3)
OBLIQUE = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
QUICK = {"preset": "fast", "grid_spacing_mm": 8.0, "device": "cpu"}

# The child without its search for matches, which takes most of a short run.
QUICK_WORKER = """
import sys
from pathlib import Path
from NePhiCore.model import NePhiModel
NePhiModel.encode = lambda self, *images: (self.empty_code(), None)
from NePhiCore.worker import main
sys.exit(main(Path(sys.argv[1])))
"""


def hu() -> np.ndarray:
    """(K, J, I) int16, lung density with noise."""
    return np.random.default_rng(0).normal(-800, 60, SHAPE_KJI).astype(np.int16)


def lungs() -> np.ndarray:
    """(K, J, I) uint8."""
    mask = np.zeros(SHAPE_KJI, np.uint8)
    mask[LUNGS] = 1
    return mask


def ijk_to_ras(origin_ras_mm=ORIGIN_RAS_MM, direction=UPRIGHT) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(direction) * SPACING_MM
    matrix[:3, 3] = origin_ras_mm
    return matrix


def add_volume(name: str, array: np.ndarray, matrix: np.ndarray, class_name="vtkMRMLScalarVolumeNode"):
    """A volume node in the scene."""
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    slicer.util.updateVolumeFromArray(node, array)
    return node


def add_pair(direction=UPRIGHT) -> dict[str, object]:
    """Fixed and moving volume and their lungs as label maps, named as the arguments of `register`."""
    places = {"fixed": ORIGIN_RAS_MM, "moving": ORIGIN_RAS_MM + SHIFT_RAS_MM}
    pair = {}
    for side, origin in places.items():
        matrix = ijk_to_ras(origin, direction)
        pair[f"{side}Volume"] = add_volume(side, hu(), matrix)
        pair[f"{side}Mask"] = add_volume(f"{side} lungs", lungs(), matrix, "vtkMRMLLabelMapVolumeNode")
    return pair


def add_linear_transform(name: str, matrix: np.ndarray):
    """A linear transform node that maps its children by a (4, 4) matrix, RAS mm."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def add_bent_transform(name: str):
    """A thin plate spline, which is not linear."""
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in np.random.default_rng(1).uniform(-60, 60, (6, 3)):
        source.InsertNextPoint(point)
        target.InsertNextPoint(point * 1.05)
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", name)
    node.SetAndObserveTransformToParent(spline)
    return node


def add_points(name: str, points_ras_mm: np.ndarray):
    """A point list."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    slicer.util.updateMarkupsControlPointsFromArray(node, np.asarray(points_ras_mm, float))
    return node


def small_model_file() -> str:
    """Weights of a small model that was never trained; its maps lay lung box on lung box."""
    import torch

    from NePhiCore.checkpoint import save_checkpoint
    from NePhiCore.model import ModelConfig, NePhiModel

    path = Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath)) / "small.pt"
    torch.manual_seed(0)
    config = ModelConfig(
        global_channels=8, local_channels=8, local_size=10, width=16, frequencies=8, layers=1, encoder_width=8
    )
    save_checkpoint(path, NePhiModel(config), {"data": "none, for tests"})
    return str(path)


@contextmanager
def without_search():
    """Registrations in this process and in child processes skip their search for matches."""
    from NePhiCore.model import NePhiModel

    def encode(model, *images):
        return model.empty_code(), None

    with mock.patch.object(NePhiModel, "encode", encode), worker(QUICK_WORKER):
        yield


@contextmanager
def worker(program: str):
    """Child processes run another program."""
    from NePhiRegistrationLib import registration_run

    with mock.patch.object(registration_run, "WORKER", ("-c", program)):
        yield


class LogicCase(unittest.TestCase):
    """Registrations of the tiny pair, which an untrained model solves exactly, without a search for matches."""

    @classmethod
    def setUpClass(cls):
        cls.model_file = small_model_file()
        cls.patches = without_search()
        cls.patches.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.patches.__exit__(None, None, None)

    def setUp(self):
        slicer.mrmlScene.Clear()
        from NePhiRegistrationLib.logic import NePhiRegistrationLogic

        self.logic = NePhiRegistrationLogic()

    def register(self, **inputs):
        return self.logic.register(**{**QUICK, "modelFile": self.model_file, **inputs})

    def node_count(self) -> int:
        return slicer.mrmlScene.GetNumberOfNodes()


class Observer:
    """Notes what a run tells it."""

    def __init__(self) -> None:
        self.progress: list = []
        self.previews = 0
        self.ends: list[tuple] = []

    def onProgress(self, progress) -> None:
        self.progress.append(progress)

    def onPreview(self) -> None:
        self.previews += 1

    def onFinished(self, nodes) -> None:
        self.ends.append(("finished", nodes))

    def onFailed(self, message) -> None:
        self.ends.append(("failed", message))

    def onCancelled(self) -> None:
        self.ends.append(("cancelled",))


def process_events_until(condition, timeout_s: float = 250.0) -> float:
    """Let the event loop run; returns the longest time in seconds that it was held up."""
    start = time.perf_counter()
    beats = [own_clock()]
    timer = qt.QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: beats.append(own_clock()))
    timer.start()
    while not condition():
        if time.perf_counter() - start > timeout_s:
            raise AssertionError(f"nothing happened within {timeout_s} s")
        slicer.app.processEvents()
        time.sleep(0.001)
    timer.stop()
    return float(np.diff([*beats, own_clock()]).max())


def own_clock() -> float:
    """Seconds, without those in which this thread was ready and other programs had the processor (Linux tells)."""
    waited = Path("/proc/thread-self/schedstat")
    waited_s = int(waited.read_text().split()[1]) * 1e-9 if waited.is_file() else 0.0
    return time.perf_counter() - waited_s
