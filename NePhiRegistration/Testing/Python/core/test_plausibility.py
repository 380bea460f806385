"""On grids of a few voxels whose figures are worked out by hand."""

import numpy as np
import pytest

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import ImageGeometry
from NePhiCore.plausibility import plausibility_report
from NePhiCore.volume import Volume

SHAPE_KJI = (10, 12, 14)
SPACING_MM = (1.0, 2.0, 5.0)  # along i, j, k
GRID = ImageGeometry.from_spacing(SHAPE_KJI, SPACING_MM, (3.0, -7.0, 20.0))
INSIDE = (slice(2, 8), slice(3, 9), slice(4, 10))


def report(lungs=INSIDE, displacement=None, hu=None, moving_hu=None):
    """The fixed image is as told, the moving one has its lungs inside."""
    inside = np.zeros(SHAPE_KJI, bool)
    inside[INSIDE] = True
    mask = np.zeros(SHAPE_KJI, bool)
    mask[lungs] = True
    light = np.where(inside, -800, 40).astype(np.int16)
    still = np.zeros((*SHAPE_KJI, 3), np.float32)
    return plausibility_report(
        Volume(light if hu is None else hu, GRID, "fixed"),
        Volume(light if moving_hu is None else moving_hu, GRID, "moving"),
        DisplacementField(still if displacement is None else displacement, GRID),
        mask,
        inside,
    )


def test_an_offset_is_no_motion_of_its_parts():
    moved = np.broadcast_to(np.float32([3.0, 0.0, 4.0]), (*SHAPE_KJI, 3)).copy()
    motion = report(displacement=moved)["motion_mm"]
    assert motion["offset"] == pytest.approx(5, abs=1e-5)
    assert [motion[name] for name in ("mean", "p95", "max")] == pytest.approx([0, 0, 0], abs=1e-4)


def test_what_the_parts_move_against_each_other():
    moved = np.zeros((*SHAPE_KJI, 3), np.float32)
    moved[5:, ..., 2] = 12.0  # the upper half of the lungs, k = 5 to 7; the mean is 6
    motion = report(displacement=moved)["motion_mm"]
    assert [motion[name] for name in ("offset", "mean", "p95", "max")] == pytest.approx([6, 6, 6, 6], abs=1e-4)


def test_lungs_inside_the_image_are_not_cut():
    assert report()["lungs_cut_cm2"] == {"fixed": 0.0, "moving": 0.0}


@pytest.mark.parametrize(
    ("lungs", "voxels_mm2"),
    [
        ((slice(0, 8), *INSIDE[1:]), 36 * 2.0),  # 6 x 6 voxels of 1 x 2 mm at the first slice
        ((slice(2, 10), *INSIDE[1:]), 36 * 2.0),
        ((INSIDE[0], slice(0, 9), INSIDE[2]), 36 * 5.0),  # 6 slices of 5 mm, 6 columns of 1 mm
        ((*INSIDE[:2], slice(4, 14)), 36 * 10.0),
    ],
)
def test_the_area_at_the_end_of_the_image(lungs, voxels_mm2):
    assert report(lungs)["lungs_cut_cm2"] == {"fixed": pytest.approx(voxels_mm2 / 100), "moving": 0.0}


def test_padding_ends_the_image_as_well():
    hu = np.where(np.arange(SHAPE_KJI[0])[:, None, None] < 2, -2048, -800) * np.ones(SHAPE_KJI, int)
    assert report(hu=hu.astype(np.int16))["lungs_cut_cm2"]["fixed"] == pytest.approx(0.72)


def test_the_light_share_of_a_mask_that_lies_half_beside_the_lungs():
    beside = (*INSIDE[:2], slice(7, 13))  # three columns of six in the lungs
    assert report(beside)["light_share"] == {"fixed": 0.5, "moving": 1.0}
