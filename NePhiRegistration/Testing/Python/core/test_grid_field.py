"""Fields as a grid transform reads them; against VTK's own it is tested in module/NePhiTransformNodesTest.py."""

import numpy as np
import pytest

from NePhiCore.displacement_field import DisplacementField, map_points, warp_volume
from NePhiCore.errors import InvalidTransformError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.grid_field import cubic_slabs, on_orthonormal_grid, warp_volume_cubic
from NePhiCore.volume import Volume

OBLIQUE = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
COARSE = ImageGeometry.from_spacing((5, 6, 7), (6.0, 5.0, 4.0), (10.0, 20.0, 30.0), OBLIQUE)


def field_of(function, geometry=COARSE) -> DisplacementField:
    """The field whose displacement is a function of the fractional index (k, j, i, 3) of the coarse grid."""
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape_kji), indexing="ij"), -1)[..., ::-1]
    return DisplacementField(function(ijk.astype(float)).astype(np.float32), geometry)


def whole(field: DisplacementField, geometry: ImageGeometry) -> np.ndarray:
    return np.concatenate([slab.displacement_ras_mm for _, slab in cubic_slabs(field, geometry)])


def finer() -> tuple[ImageGeometry, np.ndarray]:
    """A grid of a quarter of the spacing over the same field of view, and its indices on the coarse one."""
    geometry = COARSE.with_spacing(1.25)
    to_coarse = COARSE.ras_to_ijk @ geometry.ijk_to_ras
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape_kji), indexing="ij"), -1)[..., ::-1]
    return geometry, ijk @ to_coarse[:3, :3].T + to_coarse[:3, 3]


def parabolas(ijk: np.ndarray) -> np.ndarray:
    return ijk**2 - 3 * ijk + ijk[..., ::-1]


def test_parabolas_are_read_exactly_up_to_the_border():
    geometry, ijk = finer()
    np.testing.assert_allclose(whole(field_of(parabolas), geometry), parabolas(ijk), atol=1e-3)


def test_between_two_points_it_is_the_spline_through_four():
    impulse = field_of(lambda ijk: np.where(ijk[..., :1] == 3, 16.0, 0.0) * np.ones(3))
    geometry = ImageGeometry(COARSE.shape_kji, COARSE.ijk_to_ras @ _shift((0.5, 0, 0)))
    # Catmull-Rom halfway: -1/16, 9/16, 9/16, -1/16 of the neighbours; indices 1.5, 2.5, 3.5 and 4.5 see the impulse.
    np.testing.assert_allclose(whole(impulse, geometry)[2, 2, :6, 0], [0, -1, 9, 9, -1, 0], atol=1e-4)


def test_beyond_the_grid_the_edge_is_repeated():
    field = field_of(parabolas)
    geometry = ImageGeometry((1, 1, 3), COARSE.ijk_to_ras @ _shift((-5.0, -5.0, -5.0)))
    np.testing.assert_allclose(whole(field, geometry)[0, 0], np.tile(field.displacement_ras_mm[0, 0, 0], (3, 1)))


def test_other_axes_are_refused():
    with pytest.raises(InvalidTransformError, match="axes"):
        next(cubic_slabs(field_of(parabolas), ImageGeometry.from_spacing((3, 3, 3), (1, 1, 1))))


@pytest.mark.parametrize("shape", [(1, 6, 7), (2, 6, 7), (3, 2, 1)])
def test_grids_of_few_points_are_read_linearly_along_their_short_axes(shape):
    geometry = ImageGeometry(shape, COARSE.ijk_to_ras)
    field = field_of(lambda ijk: 2 * ijk + 1, geometry)
    between = ImageGeometry(tuple(max(1, n - 1) for n in shape), geometry.ijk_to_ras @ _shift(0.5))
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in between.shape_kji), indexing="ij"), -1)[..., ::-1] + 0.5
    expected = 2 * np.minimum(ijk, np.array(shape[::-1]) - 1) + 1
    np.testing.assert_allclose(whole(field, between), expected, atol=1e-4)


def test_an_image_is_warped_as_by_the_field_itself_where_that_is_linear():
    geometry = COARSE.with_spacing(1.25)
    hu = np.random.default_rng(0).integers(-1000, 0, geometry.shape_kji).astype(np.int16)
    moving = Volume(hu, geometry)
    field = field_of(lambda ijk: 0.3 * ijk)
    warped = warp_volume_cubic(moving, field, geometry)
    assert warped.dtype == np.int16
    assert np.abs(warped.astype(int) - warp_volume(moving, field, geometry)).max() <= 1


def test_orthonormal_grids_stay_as_they_are_and_sheared_ones_are_set_upright():
    field = field_of(parabolas)
    assert on_orthonormal_grid(field) is field
    sheared = COARSE.ijk_to_ras.copy()
    sheared[:3, 2] += (0.0, 2.0, 0.0)
    constant = DisplacementField(np.full((5, 6, 7, 3), 4.0, np.float32), ImageGeometry((5, 6, 7), sheared))
    upright = on_orthonormal_grid(constant)
    direction = upright.geometry.direction
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    corners = constant.geometry.corners_ras_mm()
    np.testing.assert_allclose(map_points(upright, corners), corners + 4, atol=1e-4)
    inside = upright.geometry.ras_to_ijk[:3, :3] @ corners.T + upright.geometry.ras_to_ijk[:3, 3:]
    assert (inside > -1e-6).all() and (inside < np.array(upright.geometry.shape_kji[::-1])[:, None]).all()


def _shift(voxels) -> np.ndarray:
    """(4, 4) that moves a grid along its own axes."""
    matrix = np.eye(4)
    matrix[:3, 3] = voxels
    return matrix
