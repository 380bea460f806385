"""The table and the picture of docs/lung_function.md, on maps made by hand."""

import numpy as np

from benchmarks.lung_function import Truth, compare, truth_of
from benchmarks.lung_function_picture import write_picture
from NePhiCore.geometry import ImageGeometry
from NePhiCore.lung_function import LungFunction
from NePhiCore.lung_function_names import OUTSIDE
from NePhiCore.phantom import breathing_phantom
from NePhiCore.volume import Volume

SHAPE = (24, 20, 30)
LUNGS = np.zeros(SHAPE, bool)
LUNGS[4:20, 4:16, 4:26] = True


def maps(volume_change, air_change, labels) -> LungFunction:
    arrays = (np.where(LUNGS, values, OUTSIDE).astype(np.float32) for values in (volume_change, air_change))
    return LungFunction(*arrays, np.where(LUNGS, labels, 0).astype(np.uint8), {}, ())


def test_the_table_tells_truth_and_what_was_found():
    gradient = np.linspace(0.2, 0.8, SHAPE[0])[:, None, None] * np.ones(SHAPE)
    labels = np.ones(SHAPE, int)
    labels[:, :, :10] = 3
    truth = Truth(gradient, gradient, labels, np.ones(SHAPE))
    found_labels = np.where(labels == 3, 2, labels)
    rows = compare(maps(gradient + 0.1, gradient - 0.05, found_labels), truth)
    assert rows["specific volume change, mean"] == "0.500, found 0.600"
    assert rows["its error in a voxel, mean"] == "0.100"
    assert rows["its correlation with the truth"] == "1.000"
    assert rows["error of that in a voxel, mean"] == "0.050"
    assert rows["emphysema, % of the parenchyma"] == "27.3, found 0.0"  # 6 of 22 columns
    assert rows["small airways disease, % of the parenchyma"] == "0.0, found 27.3"
    assert rows["normal, Dice"] == "1.00"
    assert rows["voxels of the right class, %"] == "72.7"


def test_the_truth_is_that_of_the_motion():
    phantom = breathing_phantom((36, 32, 40), 9.0, noise_hu=0.0, landmark_count=0)
    for state, lungs, weight in (("exhale", phantom.exhale_lungs, 1.0), ("inhale", phantom.inhale_lungs, None)):
        truth = truth_of(phantom, state)
        points = getattr(phantom, state).geometry.points_ras_mm()[lungs][::50]
        exhale_points = points if state == "exhale" else phantom.inhale_to_exhale(points)
        step = 1e-3 * np.eye(3)
        moved = [phantom.exhale_to_inhale(exhale_points + way) for way in step]
        columns = [(to - phantom.exhale_to_inhale(exhale_points)) / 1e-3 for to in moved]
        expansion = np.linalg.det(np.stack(columns, -1))
        np.testing.assert_allclose(truth.volume_change[lungs][::50], expansion - 1, atol=0.01)
        np.testing.assert_allclose(truth.weights[lungs][::50], weight or 1 / expansion, atol=0.01)
    assert set(np.unique(truth.labels)) <= {0, 1, 2, 3, 4}


def test_the_picture_is_drawn(tmp_path):
    geometry = ImageGeometry.from_spacing(SHAPE, 6.0, (-90.0, -60.0, -70.0))
    rng = np.random.default_rng(0)
    ct = Volume(rng.integers(-950, -700, SHAPE).astype(np.int16), geometry)
    found = maps(rng.uniform(-0.5, 2, SHAPE), rng.uniform(-0.5, 2, SHAPE), rng.integers(1, 5, SHAPE))
    write_picture(tmp_path / "maps.png", ct, found, np.array([0.0, 0.0, 0.0]))
    assert (tmp_path / "maps.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
