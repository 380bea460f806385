import math

import pytest
import torch

from NePhiCore.coordinate_updates import SLOPE_LIMIT, Bell, CoordinateUpdate, Ramp, Waves, split_update
from NePhiCore.errors import SettingsError

INF = math.inf
BELL = Bell(2.0, (1.0, -4.0, 10.0), (12.0, 30.0, 20.0))
RAMP = Ramp(-6.0, (0.0, 5.0, -3.0), (25.0, 40.0, -15.0))
WAVES = Waves((0.4, -0.9), ((0.05, 0.02, -0.03), (-0.01, 0.04, 0.06)), (0.3, 2.0))


def columns_of(*points):
    return torch.tensor(points, dtype=torch.float64).unbind(-1)


def a_cloud(count=4000, half_width=80.0):
    generator = torch.Generator().manual_seed(5)
    return ((torch.rand(count, 3, generator=generator, dtype=torch.float64) * 2 - 1) * half_width).unbind(-1)


def test_bell_is_its_amplitude_at_the_centre_and_falls_as_a_gaussian():
    one_width_up = (1.0, -4.0, 10.0 + 20.0)
    value, slope = BELL.value_and_slope(columns_of(BELL.centre, one_width_up), axis=2)
    assert value.tolist() == pytest.approx([2.0, 2.0 * math.exp(-0.5)])
    assert slope.tolist() == pytest.approx([0.0, -2.0 / 20.0 * math.exp(-0.5)])


def test_ramp_is_half_way_up_at_its_centre_and_windowed_across():
    one_width_aside = (25.0, 5.0, -3.0)
    value, slope = RAMP.value_and_slope(columns_of(RAMP.centre, one_width_aside), axis=2)
    assert value.tolist() == pytest.approx([-3.0, -3.0 * math.exp(-0.5)])
    # An amplitude below 0 over a falling ramp rises: -6 / (4 * -15).
    assert slope.tolist() == pytest.approx([0.1, 0.1 * math.exp(-0.5)])


def test_an_infinite_width_changes_nothing_along_its_axis():
    ramp = Ramp(8.0, (0.0, 0.0, 0.0), (10.0, INF, INF))
    value, _ = ramp.value_and_slope(columns_of((0.0, 0.0, 0.0), (0.0, 500.0, -900.0)), axis=0)
    assert value.tolist() == [4.0, 4.0]


def test_waves_are_a_sum_of_sines():
    value, slope = WAVES.value_and_slope(columns_of((3.0, -2.0, 7.0)), axis=1)
    angles = (0.05 * 3 - 0.02 * 2 - 0.03 * 7 + 0.3, -0.01 * 3 - 0.04 * 2 + 0.06 * 7 + 2.0)
    assert value.item() == pytest.approx(0.4 * math.sin(angles[0]) - 0.9 * math.sin(angles[1]))
    assert slope.item() == pytest.approx(0.4 * 0.02 * math.cos(angles[0]) - 0.9 * 0.04 * math.cos(angles[1]))


@pytest.mark.parametrize("term", [BELL, RAMP, WAVES], ids=lambda term: type(term).__name__)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slope_is_the_derivative_and_keeps_its_bound(term, axis):
    columns = [column.clone().requires_grad_() for column in a_cloud()]
    value, slope = term.value_and_slope(columns, axis)
    (derivative,) = torch.autograd.grad(value.sum(), columns[axis])
    torch.testing.assert_close(slope, derivative, rtol=0, atol=1e-12)
    assert 0 < slope.abs().max() <= term.slope_bound(axis)


@pytest.mark.parametrize("term", [BELL, RAMP], ids=lambda term: type(term).__name__)
def test_slope_bound_is_reached_so_it_could_not_be_tighter(term):
    steepest = list(term.centre)
    steepest[2] += term.widths[2] if isinstance(term, Bell) else 0.0
    _, slope = term.value_and_slope(columns_of(steepest), axis=2)
    assert abs(slope.item()) == pytest.approx(term.slope_bound(2))


@pytest.mark.parametrize("term", [BELL, RAMP, WAVES], ids=lambda term: type(term).__name__)
def test_scaled_term_moves_in_proportion(term):
    columns = a_cloud(50)
    torch.testing.assert_close(
        term.scaled(-0.5).value_and_slope(columns, 2)[0], -0.5 * term.value_and_slope(columns, 2)[0]
    )


def test_update_moves_one_coordinate_only():
    x, y, z = a_cloud(20)
    (new_x, new_y, new_z), determinant = CoordinateUpdate(1, (BELL,)).apply((x, y, z))
    assert torch.equal(new_x, x) and torch.equal(new_z, z) and not torch.equal(new_y, y)
    torch.testing.assert_close(determinant, 1 + BELL.value_and_slope((x, y, z), 1)[1])


@pytest.mark.parametrize("sign", [1, -1])
def test_inverse_converges_at_the_steepest_allowed_slope(sign):
    steepest = Bell(sign * SLOPE_LIMIT * 15.0 * math.exp(0.5), (0.0, 0.0, 0.0), (15.0, 40.0, 40.0))
    update, points = CoordinateUpdate(0, (steepest,)), a_cloud()
    moved, _ = update.apply(points)
    back = update.invert(moved)
    torch.testing.assert_close(torch.stack(back), torch.stack(points), rtol=0, atol=1e-7)


def test_inverse_ends_where_rounding_is_coarser_than_its_tolerance():
    far = tuple(column.float() + 1e6 for column in a_cloud(10))
    back = CoordinateUpdate(2, (WAVES.scaled(2.0),)).invert(far)
    assert all(torch.isfinite(column).all() for column in back)


def test_too_steep_an_update_is_refused_and_can_be_split():
    steep = Ramp(30.0, (0.0, 0.0, 0.0), (INF, INF, 10.0))  # slope 30 / 40
    with pytest.raises(SettingsError, match=r"at most 0.25, got 0.75"):
        CoordinateUpdate(2, (steep,))
    parts = split_update(2, (steep,))
    assert [part.terms[0].amplitude for part in parts] == pytest.approx([10.0, 10.0, 10.0])


def test_a_gentle_motion_is_not_split():
    assert len(split_update(2, (BELL,))) == 1
    assert len(split_update(0, (BELL.scaled(0.0),))) == 1
