"""The lungs in a cube, against formulas: however the patient is stored, the cube shows the same."""

import numpy as np
import pytest
import torch
from geometry_cases import DIRECTIONS_LPS, every_direction
from scipy.ndimage import map_coordinates

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.preprocessing import CubeImage, cube_shape, place_cube, to_cube
from NePhiCore.sampling import cube_grid
from NePhiCore.volume import Volume

LUNGS_CENTRE_MM, LUNGS_RADII_MM = np.array([12.0, -20.0, 35.0]), np.array([40.0, 30.0, 50.0])
FAR_MM = np.array([1000.0, -800.0, 1200.0])
SHAPE = (16, 13, 15)


def a_grid(direction_lps, spacing_mm=(3.0, 3.0, 3.0), extent_mm=150.0, centre_mm=LUNGS_CENTRE_MM) -> ImageGeometry:
    """A grid with these axes whose middle lies on the lungs'."""
    direction = np.diag([-1, -1, 1]) @ direction_lps
    size_ijk = np.round(extent_mm / np.array(spacing_mm)).astype(int)
    origin = centre_mm - direction @ ((size_ijk - 1) / 2 * spacing_mm)
    return ImageGeometry.from_spacing(size_ijk[::-1], spacing_mm, origin, direction)


def lungs_on(geometry: ImageGeometry, centre_mm=LUNGS_CENTRE_MM) -> np.ndarray:
    """(K, J, I) bool: an ellipsoid along the patient's axes."""
    return (((geometry.points_ras_mm() - centre_mm) / LUNGS_RADII_MM) ** 2).sum(-1) <= 1


def ramp_hu(points_ras_mm, centre_mm=LUNGS_CENTRE_MM) -> np.ndarray:
    """HU that grow linearly along all three axes, differently: trilinear reading and averaging keep them as they are.

    -500 in the middle, inside the window (-1000, 0) over 150 mm of each axis.
    """
    return (points_ras_mm - centre_mm) @ [1.5, -2.0, 1.0] - 500


def ramp(geometry: ImageGeometry, centre_mm=LUNGS_CENTRE_MM) -> Volume:
    return Volume(ramp_hu(geometry.points_ras_mm(), centre_mm).astype(np.float32), geometry)


def cube_over(centre_mm, half_mm) -> np.ndarray:
    """(4, 4) norm_to_ras written out: z, y, x of the cube are S, A, R of the patient."""
    right, anterior, superior = np.broadcast_to(half_mm, 3)
    matrix = np.eye(4)
    matrix[:3] = [[0, 0, right, 0], [0, anterior, 0, 0], [superior, 0, 0, 0]]
    matrix[:3, 3] = centre_mm
    return matrix


def nodes_ras_mm(norm_to_ras, shape=SHAPE) -> np.ndarray:
    return transform_points(norm_to_ras, cube_grid(shape).double().numpy())


STORED = {
    "as it is": {},
    "other spacing": {"spacing_mm": (1.2, 2.0, 5.0)},
    "larger field of view": {"extent_mm": 210.0},
    "a metre away": {"centre_mm": LUNGS_CENTRE_MM + FAR_MM},
}
every_way_of_storing = pytest.mark.parametrize("stored", STORED.values(), ids=list(STORED))


def test_the_cube_is_the_box_around_the_outermost_lung_voxels_and_a_margin():
    """Lung voxels i = 3..6, j = 4..5, k = 2..8 of (2, 3, 4) mm from (10, 20, 30): R 16..22, A 32..35, S 38..62 mm."""
    geometry = ImageGeometry.from_spacing((10, 9, 8), (2, 3, 4), (10, 20, 30))
    lungs = np.zeros((10, 9, 8), bool)
    lungs[2:9, 4:6, 3:7] = True
    cube = place_cube(lungs, geometry, margin_mm=7)
    np.testing.assert_allclose(transform_points(cube, np.array([-1.0, -1, -1])), [16 - 7, 32 - 7, 38 - 7])
    np.testing.assert_allclose(transform_points(cube, np.array([1.0, 1, 1])), [22 + 7, 35 + 7, 62 + 7])
    np.testing.assert_allclose(transform_points(cube, np.array([1.0, -1, -1])), [9, 25, 69], err_msg="z is superior")
    np.testing.assert_allclose(transform_points(cube, np.array([-1.0, -1, 1])), [29, 25, 31], err_msg="x is right")


@every_direction
@every_way_of_storing
def test_the_cube_lies_around_the_lungs_however_the_patient_is_stored(direction_lps, stored):
    """Within the half diagonal of a voxel of the ellipsoid's own box."""
    geometry = a_grid(direction_lps, **stored)
    centre = stored.get("centre_mm", LUNGS_CENTRE_MM)
    cube = place_cube(lungs_on(geometry, centre), geometry, margin_mm=10)
    np.testing.assert_allclose(
        cube, cube_over(centre, LUNGS_RADII_MM + 10), atol=np.linalg.norm(geometry.spacing_mm) / 2
    )


@every_direction
def test_every_lung_voxel_is_inside_the_cube_and_the_outermost_touch_the_margin(direction_lps):
    geometry = a_grid(direction_lps)
    lungs = np.random.default_rng(0).random(geometry.shape_kji) > 0.999
    inside = transform_points(np.linalg.inv(place_cube(lungs, geometry, 0.0)), geometry.points_ras_mm()[lungs])
    np.testing.assert_allclose(inside.min(0), -1)
    np.testing.assert_allclose(inside.max(0), 1)


def test_lungs_that_touch_the_border_and_lungs_of_one_voxel_are_placed():
    geometry = ImageGeometry.from_spacing((9, 9, 9), (2, 2, 2))
    np.testing.assert_allclose(place_cube(np.ones((9, 9, 9), bool), geometry, 1.0), cube_over((8, 8, 8), 9))
    one = np.zeros((9, 9, 9), bool)
    one[4, 3, 2] = True
    np.testing.assert_allclose(place_cube(one, geometry, 5.0), cube_over((4, 6, 8), 5))


def test_an_empty_mask_is_refused():
    geometry = a_grid(DIRECTIONS_LPS["RAS"])
    with pytest.raises(InvalidVolumeError, match="empty; give a mask"):
        place_cube(np.zeros(geometry.shape_kji, bool), geometry)


def test_the_shape_samples_the_cube_at_the_spacing_asked_for():
    """240 mm at 3 mm is 80 steps, 81 samples; never fewer than 8."""
    assert cube_shape(cube_over((5, 6, 7), (60, 90, 120)), 3.0) == (81, 61, 41)
    assert cube_shape(cube_over((5, 6, 7), (60, 90, 120)), 100.0) == (8, 8, 8)


@every_direction
@every_way_of_storing
def test_the_image_in_the_cube_is_that_of_the_patient_however_stored(direction_lps, stored):
    """Read and averaged at every sample of the cube, a ramp is known: within 0.01 HU, 1e-5 of the window."""
    geometry = a_grid(direction_lps, **stored)
    centre = stored.get("centre_mm", LUNGS_CENTRE_MM)
    norm_to_ras = cube_over(centre, (36, 30, 44))
    cube = to_cube(ramp(geometry, centre), lungs_on(geometry, centre), norm_to_ras, SHAPE)
    expected = (ramp_hu(nodes_ras_mm(norm_to_ras), centre) + 1000) / 1000
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(cube.image[0, 0], expected, atol=1e-5)
    assert cube.image.dtype == cube.lungs.dtype == torch.float32


@every_direction
@every_way_of_storing
def test_the_lungs_in_the_cube_are_those_of_the_patient_however_stored(direction_lps, stored):
    """Their volume within 3 %, and the half-full line within one voxel of the image and one of the cube."""
    geometry = a_grid(direction_lps, **stored)
    centre = stored.get("centre_mm", LUNGS_CENTRE_MM)
    norm_to_ras, shape = cube_over(centre, LUNGS_RADII_MM + 9), (30, 28, 29)
    lungs = to_cube(ramp(geometry, centre), lungs_on(geometry, centre), norm_to_ras, shape).lungs[0, 0].numpy()
    cell_mm3 = np.prod(2 * (LUNGS_RADII_MM + 9) / (np.array(shape[::-1]) - 1))
    assert lungs.sum() * cell_mm3 == pytest.approx(4 / 3 * np.pi * np.prod(LUNGS_RADII_MM), rel=0.03)
    points = nodes_ras_mm(norm_to_ras, shape) - centre
    rim_mm = geometry.spacing_mm.max() + 4
    well_inside = ((points / (LUNGS_RADII_MM - rim_mm)) ** 2).sum(-1) <= 1
    well_outside = ((points / (LUNGS_RADII_MM + rim_mm)) ** 2).sum(-1) > 1
    np.testing.assert_allclose(lungs[well_inside], 1, atol=1e-5)
    assert (lungs[well_outside] == 0).all()


def test_a_flipped_array_gives_the_same_cube_to_the_last_digits():
    """RAS, LAS and LPS of one patient hold the same voxels in another order: placement and image within 1e-6."""
    rng = np.random.default_rng(0)
    stored = {"RAS": (), "LAS": (2,), "LPS": (2, 1)}
    base = a_grid(DIRECTIONS_LPS["RAS"], (2.0, 2.5, 3.5))
    hu = rng.integers(-1000, 0, base.shape_kji).astype(np.int16)
    cubes = []
    for name, axes in stored.items():
        geometry = a_grid(DIRECTIONS_LPS[name], (2.0, 2.5, 3.5))
        lungs = np.flip(lungs_on(base), axes)
        placed = place_cube(lungs, geometry)
        cubes.append(to_cube(Volume(np.flip(hu, axes), geometry), lungs, placed, SHAPE))
    for cube in cubes[1:]:
        np.testing.assert_allclose(cube.norm_to_ras, cubes[0].norm_to_ras, atol=1e-9)
        np.testing.assert_allclose(cube.image, cubes[0].image, atol=1e-5)
        np.testing.assert_allclose(cube.lungs, cubes[0].lungs, atol=1e-5)


def test_the_window_is_clamped_at_both_ends():
    geometry = a_grid(DIRECTIONS_LPS["RAS"])
    hu = np.full(geometry.shape_kji, 1000, np.int16)
    hu[:, :, :20] = -2000
    cube = to_cube(Volume(hu, geometry), hu > 0, cube_over(LUNGS_CENTRE_MM, 60), (11, 11, 11), (-900, 100))
    assert cube.image.min() == 0 and cube.image.max() == 1
    middle = to_cube(Volume(hu * 0 - 400, geometry), hu > 0, cube_over(LUNGS_CENTRE_MM, 60), (8, 8, 8), (-900, 100))
    np.testing.assert_allclose(middle.image, 0.5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_finer_than_the_cube_is_averaged_not_picked(axis):
    """Stripes of one voxel, samples of the cube four voxels apart: each is the mean of both stripes, the border too."""
    stripes = np.zeros((41, 41, 41), np.int16)
    stripes += (-1000 * (np.arange(41) % 2)).astype(np.int16).reshape(np.roll([41, 1, 1], axis))
    volume = Volume(stripes, ImageGeometry.from_spacing((41, 41, 41), (1, 1, 1)))
    cube = to_cube(volume, stripes > -500, cube_over((20, 20, 20), 16), (9, 9, 9))
    np.testing.assert_allclose(cube.image, 0.5, atol=1e-5)
    np.testing.assert_allclose(cube.lungs, 0.5, atol=1e-5)


def test_a_cube_as_fine_as_the_image_shows_its_voxels():
    geometry = ImageGeometry.from_spacing((12, 13, 14), (1, 1, 1))
    hu = np.random.default_rng(1).integers(-1000, 1, geometry.shape_kji)
    cube = to_cube(Volume(hu, geometry), hu > -500, cube_over((6, 6, 6), 4), (9, 9, 9))
    np.testing.assert_allclose(cube.image[0, 0] * 1000 - 1000, hu[2:11, 2:11, 2:11], atol=0.01)
    np.testing.assert_allclose(cube.lungs[0, 0], (hu > -500)[2:11, 2:11, 2:11], atol=1e-5)


@pytest.mark.parametrize("stored", ["RAS", "LPS", "coronal"])
def test_along_the_axes_of_the_image_reading_is_that_of_the_definition(stored):
    """Noise: the mean of the trilinear readings spread over each sample, within 2e-6 of the window."""
    spacing_mm, shape = (1.1, 0.9, 2.7), (9, 12, 10)
    direction = {"coronal": np.array([[1, 0, 0], [0, 0, -1], [0, -1, 0]])}.get(stored)
    geometry = a_grid(DIRECTIONS_LPS[stored] if direction is None else direction, spacing_mm, extent_mm=60.0)
    hu = np.random.default_rng(3).integers(-1000, 1, geometry.shape_kji).astype(np.int16)
    norm_to_ras = cube_over(LUNGS_CENTRE_MM + (0.3, -0.2, 0.1), (17, 21, 19))
    cube = to_cube(Volume(hu, geometry), hu > -500, norm_to_ras, shape)
    for got, array in ((cube.image, (hu + 1000) / 1000), (cube.lungs, (hu > -500).astype(float))):
        np.testing.assert_allclose(got[0, 0], mean_of_readings(array, geometry, norm_to_ras, shape), atol=2e-6)


def mean_of_readings(array, geometry, norm_to_ras, shape) -> np.ndarray:
    """Each sample's width divided by the image's spacing along that axis says how many readings; at most eight."""
    steps = np.abs(geometry.ras_to_ijk[:3, :3] @ norm_to_ras[:3, :3]).max(0) * 2 / (np.array(shape) - 1)
    factors = np.clip(np.round(steps), 1, 8).astype(int)
    within = [((np.arange(f) + 0.5) / f - 0.5) * 2 / (n - 1) for f, n in zip(factors, shape)]
    offsets = np.stack(np.meshgrid(*within, indexing="ij"), -1).reshape(-1, 3)
    nodes = cube_grid(shape).double().numpy()
    readings = [
        map_coordinates(array, transform_points(geometry.ras_to_ijk @ norm_to_ras, nodes + o)[..., ::-1].T, order=1).T
        for o in offsets
    ]
    return np.mean(readings, 0)


def test_a_cube_large_enough_for_several_slabs_has_no_seam():
    """60 x 40 x 40 samples of 3 x 3 x 3 readings each: more than the two million that are read at once."""
    geometry = ImageGeometry.from_spacing((190, 130, 130), (1, 1, 1))
    centre = geometry.corners_ras_mm().mean(0)
    norm_to_ras, shape = cube_over(centre, (58.5, 58.5, 88.5)), (60, 40, 40)
    lungs = np.ones(geometry.shape_kji, bool)
    cube = to_cube(ramp(geometry, centre), lungs, norm_to_ras, shape)
    expected = (ramp_hu(nodes_ras_mm(norm_to_ras, shape), centre) + 1000) / 1000
    np.testing.assert_allclose(cube.image[0, 0], expected, atol=2e-5)
    np.testing.assert_allclose(cube.lungs, 1, atol=1e-5)


def test_outside_the_field_of_view_the_edge_goes_on_without_lung():
    """An image of 30 x 30 x 30 mm, all lung, in a cube of 60 mm with samples each 5 mm."""
    geometry = ImageGeometry.from_spacing((16, 16, 16), (2, 2, 2))
    volume = Volume(np.broadcast_to(np.linspace(-900, -600, 16), (16, 16, 16)), geometry)
    cube = to_cube(volume, np.ones((16, 16, 16), bool), cube_over((15, 15, 15), 30), (13, 13, 13))
    right_mm = np.linspace(-15, 45, 13)
    expected = np.interp(right_mm, (0, 30), (0.1, 0.4))
    inside = (right_mm > 2) & (right_mm < 28)
    outside = (right_mm < -2) | (right_mm > 32)
    np.testing.assert_allclose(cube.image[0, 0, 6, 6][inside | outside], expected[inside | outside], atol=1e-5)
    assert (cube.lungs[0, 0, 6, 6][inside] == 1).all()
    for lungs in (cube.lungs[0, 0], cube.lungs[0, 0].transpose(0, 1), cube.lungs[0, 0].transpose(0, 2)):
        assert (lungs[outside] == 0).all()


def test_lungs_that_the_cube_cuts_are_full_up_to_its_border():
    """A cube placed by the other image's lungs may cut these: its outermost samples are lung all the same."""
    geometry = a_grid(DIRECTIONS_LPS["oblique left-handed"], (1.0, 1.0, 1.0), extent_mm=60.0)
    everywhere = np.ones(geometry.shape_kji, bool)
    cube = to_cube(ramp(geometry), everywhere, cube_over(LUNGS_CENTRE_MM, 10), (8, 8, 8))
    np.testing.assert_allclose(cube.lungs, 1, atol=1e-5)


def test_a_cube_beside_the_image_has_no_lung():
    geometry = a_grid(DIRECTIONS_LPS["LAS"])
    cube = to_cube(ramp(geometry), np.ones(geometry.shape_kji, bool), cube_over(LUNGS_CENTRE_MM + 500, 30), SHAPE)
    assert not cube.lungs.any() and torch.isfinite(cube.image).all()


def test_the_image_and_the_mask_are_left_as_they_are():
    geometry = a_grid(DIRECTIONS_LPS["LPS"])
    volume, lungs = ramp(geometry), lungs_on(geometry)
    before = volume.hu.copy(), lungs.copy()
    to_cube(volume, lungs, place_cube(lungs, geometry), SHAPE)
    np.testing.assert_array_equal(volume.hu, before[0])
    np.testing.assert_array_equal(lungs, before[1])


def test_a_cell_is_the_step_between_samples():
    cube = CubeImage(torch.zeros(1, 1, 5, 11, 21), torch.zeros(1, 1, 5, 11, 21), np.eye(4))
    assert cube.cell_norm.tolist() == pytest.approx([0.5, 0.2, 0.1])
