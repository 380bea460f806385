"""Every term of the loss against truth derived by hand: small numbers, linear maps, and a quadratic one."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.errors import SettingsError
from NePhiCore.latent_code import LatentCode
from NePhiCore.losses import (
    correlation,
    correlation_loss,
    difference_stencil,
    frobenius,
    gradient_on_stencil,
    inverse_consistency_gradient,
    latent_prior,
    noise_at_correlation,
    squared_correlation_loss,
    squared_difference_loss,
)
from NePhiCore.model import map_points

A = torch.tensor([[1.2, 0.3, -0.1], [0.0, 0.8, 0.2], [0.4, -0.2, 1.1]], dtype=torch.float64)
B = torch.tensor([[0.9, -0.2, 0.3], [0.1, 1.3, 0.0], [-0.5, 0.2, 0.7]], dtype=torch.float64)
SHIFT = torch.tensor([0.3, -0.7, 2.0], dtype=torch.float64)


def values(*columns: list[float]) -> torch.Tensor:
    """(1, N, C) from the values of each channel."""
    return torch.tensor(columns, dtype=torch.float64).T[None]


def affine(matrix: torch.Tensor, shift: torch.Tensor = SHIFT):
    return lambda points: points @ matrix.T + shift


def round_trip_jacobian(outer, inner, points: torch.Tensor, step: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The round trip minus identity and its gradient by forward differences, as the optimisation takes them."""
    stencil = difference_stencil(points, step)
    residual = (outer(inner(stencil)) - stencil).unflatten(1, (4, -1))
    return residual[:, 0], gradient_on_stencil(residual, step)


def some_points(count: int = 40, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (batch, count, 3)))


@pytest.mark.parametrize(
    ("fixed", "warped", "expected"),
    [
        ([1, 2, 3], [2, 4, 6], 1.0),
        ([1, 2, 3], [30, 20, 10], -1.0),
        ([1, 2, 3], [1, 3, 2], 0.5),  # means 2, 2; covariance 1/3; variances 2/3, 2/3
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.0),
    ],
)
def test_correlation_of_a_few_numbers(fixed, warped, expected):
    ncc = correlation(values(fixed), values(warped))
    assert ncc.shape == (1, 1) and ncc.item() == pytest.approx(expected, abs=1e-6)
    assert correlation_loss(values(fixed), values(warped)).item() == pytest.approx(1 - expected, abs=1e-6)
    assert squared_correlation_loss(values(fixed), values(warped)).item() == pytest.approx(1 - expected**2, abs=1e-6)


def test_correlation_is_numpys_for_every_image_and_channel():
    rng = np.random.default_rng(0)
    fixed, warped = rng.normal(size=(2, 2, 50, 3))
    ncc = correlation(torch.from_numpy(fixed), torch.from_numpy(warped))
    expected = [[np.corrcoef(fixed[b, :, c], warped[b, :, c])[0, 1] for c in range(3)] for b in range(2)]
    np.testing.assert_allclose(ncc, expected, atol=1e-8)
    mean = correlation_loss(torch.from_numpy(fixed), torch.from_numpy(warped)).item()
    assert mean == pytest.approx(1 - np.mean(expected), abs=1e-8)


def test_the_correlation_s_derivative_is_that_of_its_definition():
    """Against automatic differentiation of covariance by deviations, in float64; a second one is refused."""
    generator = torch.Generator().manual_seed(0)
    fixed, warped, weight = (
        torch.randn(*n, generator=generator, dtype=torch.float64) for n in ((2, 30, 3),) * 2 + ((2, 3),)
    )
    warped = (warped * torch.tensor([0.1, 1.0, 30.0]) + 5).requires_grad_(True)

    def defined(fixed, warped):
        fixed, warped = fixed - fixed.mean(1, keepdim=True), warped - warped.mean(1, keepdim=True)
        return (fixed * warped).mean(1) / (fixed.square().mean(1) * warped.square().mean(1) + 1e-10).sqrt()

    ours, theirs = correlation(fixed, warped), defined(fixed, warped)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    slopes = [torch.autograd.grad((way * weight).sum(), warped)[0] for way in (ours, theirs)]
    assert slopes[1].abs().max() > 1e-2
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-12)
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(correlation(fixed, warped).sum(), warped, create_graph=True)


@pytest.mark.parametrize(("rho", "factor"), [(0.9, 0.19 / 0.9), (0.75, 0.4375 / 0.75), (0.5, 1), (0, 1), (-0.5, 1)])
def test_the_regularity_counts_by_what_the_images_do_not_share(rho, factor):
    assert float(noise_at_correlation(torch.tensor(1 - rho))) == pytest.approx(factor, rel=1e-5)


def test_with_that_factor_a_correlation_pulls_as_a_likelihood():
    """The ratio of the two slopes, similarity to regularity, is that of -log(1 - rho^2) / 2 with a fixed weight."""
    for rho in (0.7, 0.8, 0.95):
        found = torch.tensor(rho, dtype=torch.float64, requires_grad=True)
        (of_information,) = torch.autograd.grad(-0.5 * torch.log(1 - found.square()), found)
        ratio = 1 / noise_at_correlation(1 - found.detach())
        assert float(ratio) == pytest.approx(float(of_information), rel=1e-9)


def test_correlation_takes_no_notice_of_brightness_and_contrast():
    fixed, warped = torch.rand(2, 1, 60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = correlation(fixed * 3 + 7, warped * 0.5 - 2)
    torch.testing.assert_close(changed, correlation(fixed, warped), rtol=0, atol=1e-6)


def test_the_losses_are_means_over_the_channels():
    fixed, warped = values([1, 2, 3], [1, 2, 3]), values([2, 4, 6], [1, 3, 2])
    assert correlation_loss(fixed, warped).item() == pytest.approx(0.25, abs=1e-6)
    assert squared_correlation_loss(fixed, warped).item() == pytest.approx(0.375, abs=1e-6)


def test_a_constant_image_correlates_with_nothing_and_gives_no_nan():
    fixed, warped = values([1, 2, 3]), values([5, 5, 5])
    assert correlation(fixed, warped).item() == 0
    warped.requires_grad_(True)
    correlation_loss(fixed, warped).backward()
    assert warped.grad.isfinite().all()


def test_the_squared_difference_is_a_mean_over_points_and_channels():
    assert squared_difference_loss(values([1, 2], [0, 0]), values([1, 5], [1, -2])).item() == (0 + 9 + 1 + 4) / 4


def test_the_prior_is_the_mean_square_of_both_parts():
    """Global (3, 4): 12.5. Local, 2 everywhere: 4. It does not grow with the size of the local code."""
    for size in (1, 3):
        code = LatentCode(torch.tensor([[3.0, 4.0]]), torch.full((1, 2, size, size, size), 2.0))
        assert latent_prior(code).item() == 16.5


def test_the_gradient_inverse_consistency_of_two_affine_maps_is_that_of_their_matrices():
    """d/dx [A (B x + b) + a - x] = A B - I everywhere; the shifts do not count."""
    expected = (A @ B - torch.eye(3)).square().sum().item()
    other = (B @ A - torch.eye(3)).square().sum().item()
    assert abs(expected - other) > 1e-3  # the order matters
    for points in (some_points(1), some_points(40, batch=2)):
        for shift in (SHIFT, 0 * SHIFT):
            got = inverse_consistency_gradient(affine(A, shift), affine(B), points)
            assert got.item() == pytest.approx(expected, rel=1e-12)


def test_maps_that_undo_each_other_up_to_a_translation_cost_nothing():
    undone = inverse_consistency_gradient(affine(torch.linalg.inv(A), 5 * SHIFT), affine(A), some_points())
    assert undone.item() == pytest.approx(0, abs=1e-24)


def test_the_gradient_inverse_consistency_of_a_quadratic_map_is_a_mean_over_the_points():
    """x -> x + (0, c z^2, 0), back by the identity: the gradient has the one entry 2 c z."""
    c = 0.4

    def bend(points):
        return points + torch.stack([0 * points[..., 0], c * points[..., 0] ** 2, 0 * points[..., 0]], -1)

    points = torch.tensor([[[0.5, 0.1, 0.2], [-1.0, 0.3, 0.9]]], dtype=torch.float64)
    expected = 4 * c**2 * (0.25 + 1.0) / 2
    assert inverse_consistency_gradient(lambda p: p, bend, points).item() == pytest.approx(expected)


def test_the_stencil_holds_the_points_and_then_their_neighbours_along_each_axis():
    points = torch.tensor([[[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]]])
    expected = [
        [[0, 1, 2], [5, 6, 7]],
        [[0.5, 1, 2], [5.5, 6, 7]],
        [[0, 1.5, 2], [5, 6.5, 7]],
        [[0, 1, 2.5], [5, 6, 7.5]],
    ]
    stencil = difference_stencil(points, 0.5)
    assert stencil.shape == (1, 8, 3) and stencil.unflatten(1, (4, 2))[0].tolist() == expected


@pytest.mark.parametrize("step", [1e-3, 0.02, 1.0])
def test_the_gradient_of_an_affine_map_is_its_matrix_row_by_row(step):
    points = some_points(batch=2)
    gradient = gradient_on_stencil(affine(A)(difference_stencil(points, step)).unflatten(1, (4, -1)), step)
    torch.testing.assert_close(gradient, A.expand(2, 40, 3, 3), rtol=0, atol=1e-11)


@pytest.mark.parametrize("step", [1e-3, 0.02, 1.0])
def test_finite_differences_are_exact_on_affine_maps(step):
    points = some_points()
    residual, gradient = round_trip_jacobian(affine(A), affine(B), points, step)
    torch.testing.assert_close(residual, (points @ B.T + SHIFT) @ A.T + SHIFT - points, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, (A @ B - torch.eye(3)).expand(1, 40, 3, 3), rtol=0, atol=1e-11)
    exact = inverse_consistency_gradient(affine(A), affine(B), points)
    torch.testing.assert_close(frobenius(gradient), exact, rtol=1e-9, atol=0)


def sine_map(points: torch.Tensor) -> torch.Tensor:
    z, y, x = points.unbind(-1)
    return points + 0.1 * torch.stack([torch.sin(3 * y), torch.cos(2 * x + z), torch.sin(2 * z * y)], -1)


def a_map():
    """One of the model's own maps, with random weights and code: what the regularity is asked of."""
    torch.manual_seed(0)
    network = CoordinateNetwork(2, 3, 8, 4, 0.3).double()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    size = (1, 3, 4, 4, 4)
    code = LatentCode(torch.randn(1, 2, dtype=torch.float64), torch.randn(size, dtype=torch.float64)).map(
        lambda part: part.detach().clone().requires_grad_(True)
    )
    return network, code


def test_finite_differences_converge_to_the_exact_gradient_on_smooth_maps():
    """Forward differences: half the step, half the error."""
    points = some_points()
    exact = inverse_consistency_gradient(sine_map, affine(B), points)

    def error(step: float) -> float:
        return abs((frobenius(round_trip_jacobian(sine_map, affine(B), points, step)[1]) - exact).item())

    errors = [error(step) for step in (0.04, 0.02, 0.01, 1e-4)]
    assert [a / b for a, b in pairwise(errors[:3])] == pytest.approx([2, 2], abs=0.2)
    assert errors[3] < 1e-3 * exact.item()


def test_both_ways_agree_on_the_models_own_maps_and_in_their_gradient_with_respect_to_the_code():
    network, code = a_map()
    points = some_points(30) * 0.9

    def forth(p):
        return map_points(network.plain, p, code)

    def gradient_of(loss):
        return torch.autograd.grad(loss, code.tensors())

    exact = inverse_consistency_gradient(forth, sine_map, points)
    by_differences = frobenius(round_trip_jacobian(forth, sine_map, points, 1e-6)[1])
    assert exact.item() > 1e-3
    torch.testing.assert_close(by_differences, exact, rtol=1e-4, atol=0)
    for got, expected in zip(gradient_of(by_differences), gradient_of(exact)):
        assert expected.abs().max() > 1e-4
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6)


def test_the_frobenius_norm_is_a_sum_over_entries_and_a_mean_over_points():
    gradient = torch.stack([torch.ones(3, 3), torch.diag(torch.tensor([1.0, 2.0, 3.0]))])[None]
    assert frobenius(gradient).item() == (9 + 14) / 2


def test_regularity_at_no_point_is_refused_in_words():
    nowhere = torch.zeros(1, 0, 3)
    with pytest.raises(SettingsError, match="raise the regularity sampling ratio"):
        inverse_consistency_gradient(sine_map, sine_map, nowhere)
