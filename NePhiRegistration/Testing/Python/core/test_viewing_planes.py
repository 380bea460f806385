"""Planes as a radiologist expects them, whatever the order and direction of the voxels."""

import numpy as np
import pytest
from geometry_cases import every_direction

from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.viewing_planes import planes_through, read_plane

SHAPE_KJI = (40, 60, 80)
SPACING_MM = (2.0, 2.5, 4.0)


def grid(direction_lps) -> ImageGeometry:
    direction = np.diag([-1, -1, 1]) @ direction_lps
    last_ijk = np.array(SHAPE_KJI[::-1]) - 1
    return ImageGeometry.from_spacing(SHAPE_KJI, SPACING_MM, -direction @ (last_ijk * SPACING_MM / 2), direction)


def lungs_on(geometry: ImageGeometry) -> np.ndarray:
    """An egg around (10, 5, -10) RAS, half axes 30, 25 and 40 mm."""
    return (((geometry.points_ras_mm() - (10, 5, -10)) / (30, 25, 40)) ** 2).sum(-1) < 1


@every_direction
def test_right_is_left_and_anterior_and_superior_are_up(direction_lps):
    """Images of the coordinates themselves: their values fall along the picture as the convention wants."""
    geometry = grid(direction_lps)
    coordinates = np.moveaxis(geometry.points_ras_mm(), -1, 0)
    axial, coronal, sagittal = planes_through(lungs_on(geometry), geometry)
    assert [plane.name for plane in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert [plane.letters for plane in (axial, coronal, sagittal)] == [tuple("RLAP"), tuple("RLSI"), tuple("APSI")]
    for plane, across, down in ((axial, 0, 1), (coronal, 0, 2), (sagittal, 1, 2)):
        for axis, expected in ((across, (0, -1)), (down, (-1, 0))):
            picture = read_plane(coordinates[axis], geometry, plane)
            rows, columns = (slice(n // 2 - 10, n // 2 + 10) for n in picture.shape)
            steps = np.gradient(picture[rows, columns])
            np.testing.assert_allclose([s.mean() for s in steps], expected, atol=1e-4)


@every_direction
def test_each_plane_passes_where_the_lungs_are_largest(direction_lps):
    geometry = grid(direction_lps)
    axial, coronal, sagittal = planes_through(lungs_on(geometry), geometry)
    # Half a slice of 4 mm voxels, and one of the 3 mm in which the voxels are counted.
    np.testing.assert_allclose([p.position_mm for p in (sagittal, coronal, axial)], (10, 5, -10), atol=5)


@every_direction
def test_a_landmark_is_seen_where_it_is(direction_lps):
    geometry = grid(direction_lps)
    for plane in planes_through(lungs_on(geometry), geometry):
        target = plane.points_ras_mm[20, 30]
        column, row = plane.pixels(target[None] + 7 * np.eye(3)[plane.normal_axis])[0]
        assert (row, column) == pytest.approx((20, 30))
        blob = np.exp(-((geometry.points_ras_mm() - target) ** 2).sum(-1) / (2 * 5.0**2))
        picture = np.nan_to_num(read_plane(blob, geometry, plane))
        assert np.unravel_index(picture.argmax(), picture.shape) == pytest.approx((20, 30), abs=2.1)


@every_direction
def test_the_picture_ends_25_mm_beyond_the_lungs_at_one_millimetre_a_pixel(direction_lps):
    geometry = grid(direction_lps)
    axial = planes_through(lungs_on(geometry), geometry)[0]
    rows, columns = axial.points_ras_mm.shape[:2]
    assert rows == pytest.approx(2 * 25 + 50, abs=5)
    assert columns == pytest.approx(2 * 30 + 50, abs=5)


def test_outside_the_image_there_is_nothing():
    geometry = grid(np.eye(3))
    plane = planes_through(lungs_on(geometry), geometry)[0]
    elsewhere = ImageGeometry.from_spacing((5, 5, 5), (2, 2, 2), transform_points(geometry.ijk_to_ras, np.full(3, 1e4)))
    assert np.isnan(read_plane(np.ones((5, 5, 5)), elsewhere, plane)).all()
    assert np.isfinite(read_plane(np.ones(SHAPE_KJI), geometry, plane)).all()


def test_pixels_may_be_finer():
    geometry = grid(np.eye(3))
    coarse, fine = (planes_through(lungs_on(geometry), geometry, pixel_mm)[1] for pixel_mm in (1.0, 0.5))
    np.testing.assert_allclose(fine.points_ras_mm[::2, ::2][:20, :20], coarse.points_ras_mm[:20, :20])
    assert fine.pixels(fine.points_ras_mm[6, 8][None])[0] == pytest.approx((8, 6))
