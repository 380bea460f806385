"""What both images show of the same tissue, on a pair that is moved by whole voxels."""

import numpy as np

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import ImageGeometry
from NePhiCore.registered_densities import densities_in_lungs
from NePhiCore.scanned_lungs import ScannedLungs
from NePhiCore.volume import Volume

SHAPE = (70, 12, 66)  # more than one block along two axes
SHIFT_VOXELS = np.array([2, -1, 3])  # along i, j, k
FIXED = ImageGeometry.from_spacing(SHAPE, (2.0, 3.0, 4.0), (5.0, -7.0, 11.0))


def scanned(hu, geometry):
    lungs = np.zeros(SHAPE, bool)
    lungs[:, :, :30] = lungs[:, :, 36:] = True
    return ScannedLungs(Volume(hu, geometry), lungs)


def gathered(fixed, moving, field):
    """Whole arrays (fixed HU, moving HU, lung in both) from the blocks; how often each voxel came."""
    arrays = [np.full(SHAPE, np.nan) for _ in range(3)]
    times = np.zeros(SHAPE, int)
    for part in densities_in_lungs(fixed, moving, field):
        times[part.block] += 1
        for array, values in zip(arrays, (part.fixed_hu, part.moving_hu, part.in_both)):
            array[part.block] = values
    return *arrays, times


def median_with_repeated_border(hu):
    padded = np.pad(hu, 1, mode="edge")
    shifted = [padded[k : k + SHAPE[0], j : j + SHAPE[1], i : i + SHAPE[2]] for k, j, i in np.ndindex(3, 3, 3)]
    return np.median(shifted, axis=0)


def test_an_image_that_was_only_moved_shows_the_same():
    hu = np.random.default_rng(0).integers(-990, -510, SHAPE).astype(np.int16)
    shift_mm = SHIFT_VOXELS * FIXED.spacing_mm
    there = ImageGeometry.from_spacing(SHAPE, FIXED.spacing_mm, FIXED.origin_ras_mm + shift_mm)
    field = DisplacementField(np.broadcast_to(shift_mm, (*SHAPE, 3)).astype(np.float32), FIXED)
    fixed, moving = scanned(hu, FIXED), scanned(hu, there)
    fixed_hu, moving_hu, in_both, times = gathered(fixed, moving, field)
    assert (times == 1).all()
    np.testing.assert_array_equal(fixed_hu, median_with_repeated_border(hu))
    np.testing.assert_allclose(moving_hu, fixed_hu, atol=0.01)
    np.testing.assert_array_equal(in_both, fixed.lungs)


def test_a_block_is_cut_down_to_the_lungs_in_it():
    volume, lungs = Volume(np.full(SHAPE, -800, np.int16), FIXED), np.zeros(SHAPE, bool)
    lungs[3:9, 4:6, 60:66] = lungs[68, 2, 1] = True  # in three blocks
    scan, still = ScannedLungs(volume, lungs), DisplacementField(np.zeros((*SHAPE, 3), np.float32), FIXED)
    found = [part.block for part in densities_in_lungs(scan, scan, still)]
    three, four_and_five = slice(3, 9), slice(4, 6)
    assert found == [
        (three, four_and_five, slice(60, 64)),
        (three, four_and_five, slice(64, 66)),
        (slice(68, 69), slice(2, 3), slice(1, 2)),
    ]


def test_lung_of_one_image_alone_and_what_leaves_the_other_image_are_left_out():
    hu = np.full(SHAPE, -800, np.int16)
    i, j, k = SHIFT_VOXELS
    shift_mm = SHIFT_VOXELS * FIXED.spacing_mm
    field = DisplacementField(np.broadcast_to(shift_mm, (*SHAPE, 3)).astype(np.float32), FIXED)
    fixed, moving = scanned(hu, FIXED), scanned(hu, FIXED)
    expected = np.zeros(SHAPE, bool)
    expected[:-k, -j:, :-i] = moving.lungs[k:, :j, i:]
    expected &= fixed.lungs
    *_, in_both, times = gathered(fixed, moving, field)
    np.testing.assert_array_equal(in_both[times > 0] > 0, expected[times > 0])
    assert not expected[times == 0].any()
