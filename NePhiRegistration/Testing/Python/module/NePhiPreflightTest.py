"""What the panel says before a run."""

import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import scene_cases
import slicer

from NePhiCore.geometry import ImageGeometry
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume
from NePhiRegistrationLib.preflight import air_litres, remarks_on
from NePhiRegistrationLib.run_estimate import estimated_bytes, estimated_seconds

SPACING_MM = 5.0
SHAPE_KJI = (40, 48, 64)


def chest_hu(lung_radius_mm: float) -> np.ndarray:
    """(K, J, I) int16: a body with two round lungs in air."""
    k, j, i = (SPACING_MM * (np.arange(n) - n / 2 + 0.5) for n in SHAPE_KJI)
    z, y, x = np.meshgrid(k, j, i, indexing="ij")
    hu = np.full(SHAPE_KJI, -1000, np.int16)
    hu[(x / 145) ** 2 + (y / 105) ** 2 < 1] = 40
    for side in (-70, 70):
        hu[(x - side) ** 2 + y**2 + z**2 < lung_radius_mm**2] = -850
    return hu


def chest_of(shape, kind) -> Volume:
    """Nothing but the size of an image of 300 x 256 x 316 mm."""
    spacing_mm = np.array((316.0, 256.0, 300.0)) / (np.array(shape[::-1]) - 1)
    return Volume(np.broadcast_to(np.zeros((), kind), shape), ImageGeometry.from_spacing(shape, spacing_mm, (0, 0, 0)))


def litres_of(lung_radius_mm: float) -> float:
    return 2 * 4 / 3 * np.pi * lung_radius_mm**3 * 1e-6


def add_chest(name: str, lung_radius_mm: float, matrix: np.ndarray | None = None):
    matrix = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]) if matrix is None else matrix
    return scene_cases.add_volume(name, chest_hu(lung_radius_mm), matrix)


class NePhiPreflightTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def tearDown(self):
        slicer.mrmlScene.Clear(0)

    def texts(self, severity: str, fixed, moving, **inputs) -> str:
        return " ".join(remark.text for remark in remarks_on(fixed, moving, **inputs) if remark.severity == severity)

    def test_a_good_pair_gets_no_warning(self):
        pair = add_chest("exhale", 55), add_chest("inhale", 62)
        self.assertEqual(self.texts("warning", *pair) + self.texts("error", *pair), "")
        self.assertIn("Air in the chest: fixed about 1.4 l, moving about 2.0 l.", self.texts("info", *pair))
        self.assertRegex(self.texts("info", *pair), r"Expect .* minutes? .*; \d+\.\d GB of memory")

    def test_the_memory_of_a_gpu_is_told_where_one_may_compute(self):
        pair = add_chest("exhale", 55), add_chest("inhale", 62)
        self.assertRegex(self.texts("info", *pair), r"GB of memory.*; of a GPU's 0\.7 GB\.")
        self.assertNotIn("GPU's", self.texts("info", *pair, device="cpu"))

    def test_swapped_breathing_states_are_noticed(self):
        self.assertIn("may be swapped", self.texts("warning", add_chest("inhale", 62), add_chest("exhale", 55)))

    def test_the_same_volume_twice_and_no_volume_are_errors(self):
        chest = add_chest("chest", 55)
        self.assertIn("chest is chosen as fixed and as moving", self.texts("error", chest, chest))
        self.assertIn("No moving volume", self.texts("error", chest, None))

    def test_values_that_are_no_hounsfield_units_are_noticed(self):
        matrix = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
        offset = scene_cases.add_volume("offset", chest_hu(55) + 1024, matrix)
        self.assertIn("offset does not look like CT in HU", self.texts("warning", offset, add_chest("inhale", 62)))

    def test_an_image_without_lungs_is_noticed(self):
        body = add_chest("body", 0)
        self.assertIn("body shows hardly any air inside", self.texts("warning", add_chest("exhale", 55), body))

    def test_a_chest_wall_that_leaks_on_coarse_voxels_is_closed(self):
        hu = chest_hu(55)
        hu[20, 24, :] = -900  # from side to side, through both lungs
        matrix = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
        pair = scene_cases.add_volume("exhale", hu, matrix), add_chest("inhale", 62)
        self.assertEqual(self.texts("warning", *pair), "")
        self.assertIn("fixed about 1.4 l", self.texts("info", *pair))

    def test_one_lung_cut_by_the_sides_of_its_image_is_a_lung(self):
        hu = chest_hu(62)[:, 13:35, 7:29]  # the middle of the right lung, which reaches all four sides
        hu = np.pad(hu, ((0, 0), (0, 0), (4, 0)), constant_values=-1000)  # and air outside the body
        hu[:, :, 4:7] = 40
        matrix = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
        pair = [scene_cases.add_volume(name, hu, matrix) for name in ("exhale", "inhale")]
        self.assertEqual(self.texts("warning", *pair), "")
        lung_litres = (hu == -850).sum() * SPACING_MM**3 * 1e-6
        self.assertIn(f"fixed about {lung_litres:.1f} l", self.texts("info", *pair))

    def test_volumes_turned_to_each_other_are_noticed_and_swapped_axes_are_not(self):
        exhale = add_chest("exhale", 55)
        turned = np.eye(4)
        cosine, sine = np.cos(np.radians(30)), np.sin(np.radians(30))
        turned[:2, :2] = [[cosine, -sine], [sine, cosine]]
        scale = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
        oblique = add_chest("oblique", 62, turned @ scale)
        self.assertIn("turned by 30 degrees", self.texts("warning", exhale, oblique))
        flipped = scale @ np.diag([-1.0, -1.0, 1.0, 1.0])
        flipped[:2, 3] = SPACING_MM * (np.array(SHAPE_KJI[:0:-1]) - 1)
        self.assertEqual(self.texts("warning", exhale, add_chest("flipped", 62, flipped)), "")

    def test_a_small_overlap_is_noticed_and_none_is_an_error(self):
        exhale = add_chest("exhale", 55)
        for shift_mm, severity, words in (
            (100, "warning", "50 % of the fixed volume"),
            (900, "error", "do not overlap"),
        ):
            matrix = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
            matrix[2, 3] = shift_mm
            self.assertIn(words, self.texts(severity, exhale, add_chest("inhale", 62, matrix)))

    def test_a_setting_out_of_range_is_an_error(self):
        pair = add_chest("exhale", 55), add_chest("inhale", 62)
        self.assertIn("grid spacing", self.texts("error", *pair, grid_spacing_mm=0.1).lower())

    def test_a_large_volume_is_looked_at_quickly(self):
        hu = np.full((400, 512, 512), -1000, np.int16)
        matrix = np.diag([0.7, 0.7, 0.8, 1.0])
        pair = [scene_cases.add_volume(name, hu, matrix) for name in ("one", "other")]
        remarks_on(*pair)  # loads what is loaded once
        start = time.thread_time()
        remarks_on(*pair)
        self.assertLess(time.thread_time() - start, 0.2)


class NePhiEstimateTest(unittest.TestCase):
    def test_air_of_two_balls_in_any_orientation(self):
        hu, scale = chest_hu(58), np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
        for axes in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
            turned = hu.transpose(axes)
            matrix = scale.copy()
            matrix[:3, :3] = scale[:3, :3][:, [2 - axes[2 - n] for n in range(3)]]
            volume = Volume(turned, ImageGeometry(turned.shape, matrix), "chest")
            self.assertAlmostEqual(air_litres(volume), litres_of(58), delta=0.03)

    def test_memory_is_near_what_was_measured(self):
        """GB at most of the process that computes, `fast`, by image size, type and lung function; two cores, Linux."""
        small, large = (150, 128, 158), (300, 512, 512)
        measured_gb = {
            (small, np.int16, False): 0.96,
            (small, np.int16, True): 0.98,
            (large, np.int16, False): 1.76,
            (large, np.int16, True): 2.16,
            (large, np.float32, False): 2.28,
            (large, np.float32, True): 2.68,
            ((600, 512, 512), np.int16, False): 2.66,
            ((600, 512, 512), np.int16, True): 3.51,
        }
        for (shape, kind, lung_function), gigabytes in measured_gb.items():
            chest = chest_of(shape, kind)
            expected = estimated_bytes(chest, chest, settings_for("fast"), lung_function) / 1e9
            self.assertLess(abs(expected / gigabytes - 1), 0.1, (shape, kind, lung_function))
        for spacing_mm, gigabytes in ((2.0, 0.93), (1.0, 2.30)):
            chest, settings = chest_of(small, np.int16), settings_for("fast", grid_spacing_mm=spacing_mm)
            self.assertLess(abs(estimated_bytes(chest, chest, settings) / 1e9 / gigabytes - 1), 0.1, spacing_mm)

    def test_seconds_are_near_what_was_measured(self):
        """CPU seconds of the command on pair d1, two cores."""
        measured = [("fast", {}, 10.2), ("balanced", {}, 39.8), ("accurate", {}, 113.2)]
        measured += [("balanced", {"iterations": n}, seconds) for n, seconds in ((75, 25.1), (300, 54.6))]
        measured += [
            ("balanced", {"similarity_sampling_ratio": share}, seconds)
            for share, seconds in ((0.005, 35.7), (0.02, 56.1), (0.05, 95.6))
        ]
        for preset, changes, seconds in measured:
            expected = estimated_seconds(2 * 150 * 128 * 158, settings_for(preset, **changes))
            self.assertLess(abs(expected / seconds - 1), 0.15, (preset, changes))

    def test_more_of_anything_takes_longer_and_more_memory(self):
        fast, balanced, accurate = (settings_for(name) for name in ("fast", "balanced", "accurate"))
        seconds = [estimated_seconds(6_000_000, settings) for settings in (fast, balanced, accurate)]
        self.assertEqual(seconds, sorted(seconds))
        dense = settings_for("balanced", similarity_sampling_ratio=0.1)
        self.assertGreater(estimated_seconds(6_000_000, dense), estimated_seconds(6_000_000, balanced))
        kinds = ((60, np.int16), (80, np.int16), (80, np.float32))
        gigabytes = [estimated_bytes(*2 * [chest_of((n, n, n), kind)], balanced) for n, kind in kinds]
        self.assertEqual(gigabytes, sorted(set(gigabytes)))
        chest = chest_of((80, 80, 80), np.int16)
        self.assertGreater(estimated_bytes(chest, chest, dense), estimated_bytes(chest, chest, balanced))
