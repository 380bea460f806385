"""Dense fields against the map itself, taken by hand through both cubes in double precision."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from geometry_cases import DIRECTIONS_LPS, every_direction
from scipy.ndimage import map_coordinates

from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.dense_evaluation import LATTICE_STEPS, evaluate_map, interpolation_error_mm
from NePhiCore.displacement_field import map_points as read_field
from NePhiCore.encoder import HEAD_INPUTS
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.latent_code import LatentCode
from NePhiCore.model import map_points
from NePhiCore.model_store import default_model_path
from NePhiCore.sampling import cube_grid

CHANNELS = (4, 3)
SPACING_MM = (4.0, 5.5, 7.0)
SHAPE = (9, 11, 13)
FAR_MM = np.array([1000.0, -900.0, 1100.0])


def a_network(output=0.02) -> CoordinateNetwork:
    """Random weights; displacements of some hundredths of the cube, a few mm."""
    torch.manual_seed(0)
    network = CoordinateNetwork(*CHANNELS, width=16, frequencies=8, frequency_scale=0.3)
    torch.nn.init.normal_(network.output.weight, std=output)
    return network


def a_code() -> LatentCode:
    generator = torch.Generator().manual_seed(1)
    global_channels, local_channels = CHANNELS
    return LatentCode(
        torch.randn(1, global_channels, generator=generator),
        torch.randn(1, local_channels, 5, 5, 5, generator=generator),
    )


def a_grid(direction_lps=DIRECTIONS_LPS["oblique left-handed"], shift_mm=0.0, shape=SHAPE) -> ImageGeometry:
    """A grid around the origin, wider than the cube along some axes and narrower along others."""
    direction = np.diag([-1, -1, 1]) @ direction_lps
    middle = direction @ ((np.array(shape[::-1]) - 1) / 2 * SPACING_MM)
    return ImageGeometry.from_spacing(shape, SPACING_MM, shift_mm - middle, direction)


def a_cube(half_mm, centre_mm, turn_degrees=0.0) -> np.ndarray:
    """(4, 4) norm (z, y, x) to RAS mm; turned about S, as an affine initial transform leaves the moving cube."""
    a = np.radians(turn_degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(half_mm) @ np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    matrix[:3, 3] = centre_mm
    return matrix


FROM, TO = a_cube((24, 20, 30), (2, -3, 4)), a_cube((20, 22, 26), (5, 1, -6), turn_degrees=12)


def shifted(matrix, shift_mm):
    moved = matrix.copy()
    moved[:3, 3] += shift_mm
    return moved


def by_hand(network, code, geometry, from_cube=FROM, to_cube=TO) -> np.ndarray:
    """T(p) - p at voxel centres: RAS -> fixed cube -> map -> moving cube -> RAS, all of it float64."""
    points_ras_mm = geometry.points_ras_mm().reshape(-1, 3)
    points_norm = torch.tensor(transform_points(np.linalg.inv(from_cube), points_ras_mm))[None]
    with torch.no_grad():
        mapped = map_points(copy.deepcopy(network).double(), points_norm, code.map(torch.Tensor.double))
    return (transform_points(to_cube, mapped[0].numpy()) - points_ras_mm).reshape(*geometry.shape_kji, 3)


@every_direction
def test_the_field_is_the_map_at_every_voxel_centre(direction_lps):
    """Within 1e-4 mm: the network runs in single precision."""
    network, code, geometry = a_network(), a_code(), a_grid(direction_lps)
    field = evaluate_map(network, code, FROM, TO, geometry)
    expected = by_hand(network, code, geometry)
    identity = by_hand(a_network(output=0.0), code, geometry)
    assert np.abs(expected - identity).max() > 1, "the network's part is millimetres"
    np.testing.assert_allclose(field.displacement_ras_mm, expected, atol=1e-4)
    assert field.geometry is geometry and field.displacement_ras_mm.dtype == np.float32


def test_a_network_that_moves_nothing_lays_cube_on_cube():
    """Lung box on lung box, twice as wide along R and moved by (10, 20, 30) mm: u = (r + 10, 20, 30)."""
    geometry = a_grid(DIRECTIONS_LPS["LPS"])
    field = evaluate_map(
        a_network(output=0.0), a_code(), a_cube((25, 30, 35), (0, 0, 0)), a_cube((50, 30, 35), (10, 20, 30)), geometry
    )
    right = geometry.points_ras_mm()[..., 0]
    expected = np.stack([right + 10, 20 + 0 * right, 30 + 0 * right], -1)
    np.testing.assert_allclose(field.displacement_ras_mm, expected, atol=2e-5)


def test_beyond_the_cube_the_displacement_of_its_surface_goes_on():
    """With equal cubes, u at a point is u at the nearest point of the cube's surface."""
    network, code = a_network(), a_code()
    geometry = ImageGeometry.from_spacing((3, 3, 40), (4.0, 4.0, 4.0), (-80.0, -4.0, -4.0))
    field = evaluate_map(network, code, FROM, FROM, geometry).displacement_ras_mm
    right = geometry.points_ras_mm()[0, 0, :, 0]
    for outside, edge_mm in ((right > 26, 26.0), (right < -22, -22.0)):
        assert outside.sum() > 10
        edge = ImageGeometry.from_spacing((3, 3, 1), (4.0, 4.0, 4.0), (edge_mm, -4.0, -4.0))
        at_edge = evaluate_map(network, code, FROM, FROM, edge).displacement_ras_mm
        np.testing.assert_allclose(field[:, :, outside], np.broadcast_to(at_edge, (3, 3, outside.sum(), 3)), atol=1e-4)


@pytest.mark.parametrize("chunk_points", [1, 13, 100, 1287, 5000])
def test_the_size_of_a_chunk_is_of_no_consequence(chunk_points):
    """Within 2e-5 mm, the rounding of sums in another order; 1287 is the whole grid."""
    shape = (3, 4, 5) if chunk_points == 1 else SHAPE
    network, code, geometry = a_network(), a_code(), a_grid(shape=shape)
    whole = evaluate_map(network, code, FROM, TO, geometry)
    chunked = evaluate_map(network, code, FROM, TO, geometry, chunk_points=chunk_points)
    np.testing.assert_allclose(chunked.displacement_ras_mm, whole.displacement_ras_mm, atol=2e-5)


def test_no_more_points_than_a_chunk_are_evaluated_at_once_and_each_once():
    network, seen = a_network(), []
    network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[1]))
    evaluate_map(network, a_code(), FROM, TO, a_grid(), chunk_points=200)
    assert max(seen) == 200
    assert sum(seen) == a_grid().voxel_count


def test_an_image_a_metre_away_loses_no_precision():
    """Both patients carried off together: the same field within 2e-5 mm; single precision at 1 m ends at 6e-5 mm."""
    network, code = a_network(), a_code()
    here = evaluate_map(network, code, FROM, TO, a_grid())
    there = evaluate_map(network, code, shifted(FROM, FAR_MM), shifted(TO, FAR_MM), a_grid(shift_mm=FAR_MM))
    np.testing.assert_allclose(there.displacement_ras_mm, here.displacement_ras_mm, atol=2e-5)


def test_a_patient_on_another_table_is_reached():
    """Only the moving image is a metre away: the displacement is that metre more, to the last bits of float32."""
    network, code, geometry = a_network(), a_code(), a_grid()
    field = evaluate_map(network, code, FROM, shifted(TO, FAR_MM), geometry)
    np.testing.assert_allclose(field.displacement_ras_mm - FAR_MM, by_hand(network, code, geometry), atol=3e-4)


def test_near_the_lungs_the_network_itself_is_evaluated_and_elsewhere_a_lattice_is_read():
    """Exact where it is asked to be; elsewhere off by the bend of the map between two nodes of the lattice."""
    network, code, geometry = a_network(), a_code(), a_grid(shape=(31, 33, 35))
    fine = np.zeros(geometry.shape_kji, bool)
    fine[8:20, 10:25, 5:30] = True
    exact = evaluate_map(network, code, FROM, TO, geometry).displacement_ras_mm
    mixed = evaluate_map(network, code, FROM, TO, geometry, fine=fine).displacement_ras_mm
    np.testing.assert_allclose(mixed[fine], exact[fine], atol=2e-5)
    error_mm = np.linalg.norm(mixed - exact, axis=-1)[~fine]
    assert 0 < error_mm.mean() < 0.2
    lattice = read_on_lattice(network, code, geometry)
    np.testing.assert_allclose(mixed[~fine], lattice[~fine], atol=1e-4)


def read_on_lattice(network, code, geometry) -> np.ndarray:
    """Nine nodes to each side for a code of five samples: read by SciPy, carried to the patient by hand."""
    side = LATTICE_STEPS * 4 + 1
    nodes = cube_grid((side,) * 3).reshape(1, -1, 3)
    with torch.no_grad():
        shifts = network(nodes, code)[0].double().reshape(side, side, side, 3).numpy()
    points_ras_mm = geometry.points_ras_mm()
    points_norm = transform_points(np.linalg.inv(FROM), points_ras_mm)
    place = (points_norm.clip(-1, 1) + 1) / 2 * (side - 1)
    shift = np.stack([map_coordinates(shifts[..., a], np.moveaxis(place, -1, 0), order=1) for a in range(3)], -1)
    return transform_points(TO, points_norm + shift) - points_ras_mm


def test_the_shipped_networks_are_read_from_the_lattice_to_hundredths_of_a_millimetre():
    """Of a breath of 30 mm, in a cube of 280 mm: 0.02 mm mean and 0.1 mm for 99 of 100 points."""
    model = load_checkpoint(default_model_path()).model
    matches = torch.zeros(1, HEAD_INPUTS, *(model.encoder.matches_size,) * 3)
    z, y, x = cube_grid((model.encoder.matches_size,) * 3).unbind(-1)
    down = 0.22 * (1 - z) / 2 * (1 - 0.3 * (y**2 + x**2))
    matches[0, [0, 3]], matches[0, [8, 11]] = 5 * down, -5 * down  # along z, of each direction, as found
    matches[0, [7, 15]] = (z**2 + y**2 + x**2 < 0.7).float()
    cube = a_cube((140, 105, 140), (0, 0, 0))
    with torch.no_grad():
        code = model.encoder.code_from_matches(matches)
    geometry = ImageGeometry.from_spacing((50, 50, 50), (3.0, 3.0, 3.0), (-60.0, -60.0, -100.0))
    fine = np.zeros(geometry.shape_kji, bool)
    exact, mixed = (
        evaluate_map(model.fixed_to_moving, code, cube, cube, geometry, fine=where).displacement_ras_mm
        for where in (None, fine)
    )
    error_mm = np.linalg.norm(mixed - exact, axis=-1)
    assert np.linalg.norm(exact, axis=-1).max() > 15
    assert 0 < error_mm.mean() < 0.02 and np.percentile(error_mm, 99) < 0.1


def test_a_grid_with_fewer_points_than_the_lattice_is_evaluated_directly():
    network, seen, geometry = a_network(), [], a_grid(shape=(6, 7, 8))
    network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[1]))
    evaluate_map(network, a_code(), FROM, TO, geometry, fine=np.zeros(geometry.shape_kji, bool))
    assert sum(seen) == geometry.voxel_count


def test_the_share_done_rises_to_one():
    shares = []
    evaluate_map(a_network(), a_code(), FROM, TO, a_grid(), shares.append, chunk_points=100)
    assert len(shares) == 13
    assert shares == sorted(shares) and shares[0] == pytest.approx(100 / 1287) and shares[-1] == 1


def test_who_is_told_may_stop_it():
    calls = []

    def stop(share):
        calls.append(share)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_map(a_network(), a_code(), FROM, TO, a_grid(), stop, chunk_points=100)
    assert len(calls) == 3


def test_the_network_and_the_code_are_left_as_they_are_and_no_gradient_is_kept():
    network, code = a_network(), a_code()
    before = copy.deepcopy(network.state_dict())
    evaluate_map(network, code.map(lambda part: part.detach().clone().requires_grad_(True)), FROM, TO, a_grid())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_reading_between_grid_points_costs_is_told():
    """Nothing at the grid's own points; between them as much as by hand, and less on a finer grid."""
    network, code = a_network(output=0.1), a_code()
    random = np.random.default_rng(0)
    means_mm = []
    for spacing_mm in (6.0, 1.5):
        geometry = a_grid().with_spacing(spacing_mm)
        field = evaluate_map(network, code, FROM, TO, geometry)
        told_mm = partial(interpolation_error_mm, network, code, FROM, TO, field)
        nodes = geometry.points_ras_mm().reshape(-1, 3)
        assert told_mm(nodes).max() < 1e-3
        ijk = random.uniform(0, np.array(geometry.shape_kji[::-1]) - 1, (300, 3))
        points_ras_mm = transform_points(geometry.ijk_to_ras, ijk)
        points_norm = torch.tensor(transform_points(np.linalg.inv(FROM), points_ras_mm))[None]
        with torch.no_grad():
            mapped = map_points(copy.deepcopy(network).double(), points_norm, code.map(torch.Tensor.double))[0].numpy()
        by_hand_mm = np.linalg.norm(read_field(field, points_ras_mm) - transform_points(TO, mapped), axis=1)
        np.testing.assert_allclose(told_mm(points_ras_mm), by_hand_mm, atol=1e-3)
        means_mm.append(by_hand_mm.mean())
    assert means_mm[0] > 0.05 and means_mm[1] < means_mm[0] / 4
