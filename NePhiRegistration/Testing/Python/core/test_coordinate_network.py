"""The coordinate network against its equations, written out a point at a time in float64."""

import numpy as np
import pytest
import torch

from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.latent_code import LatentCode

GLOBAL, LOCAL, WIDTH, FREQUENCIES = 3, 2, 7, 5


def a_network(layers: int = 2) -> CoordinateNetwork:
    """Float64, every weight and bias random, the output's too."""
    torch.manual_seed(0)
    network = CoordinateNetwork(GLOBAL, LOCAL, WIDTH, FREQUENCIES, 0.7, layers).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    return network


def codes_and_points() -> tuple[LatentCode, torch.Tensor]:
    """Two different codes and eleven points for each."""
    rng = np.random.default_rng(1)
    code = LatentCode(
        torch.from_numpy(rng.normal(size=(2, GLOBAL))), torch.from_numpy(rng.normal(size=(2, LOCAL, 4, 4, 4)))
    )
    return code, torch.from_numpy(rng.uniform(-1, 1, (2, 11, 3)))


def displacement_by_hand(weights: dict[str, np.ndarray], layers: int, point, global_code, local_code) -> np.ndarray:
    """u at one point, the equations of the docstring line by line; the matrix M has a block for each input."""
    angles = 2 * np.pi * weights["frequencies"].T @ point
    g = np.concatenate([np.sin(angles), np.cos(angles)])
    a, h = g, g
    for n in range(layers):
        of_a, of_local = np.split(weights[f"modulation.{n}.weight"], [len(a)], axis=1)
        m = weights[f"modulation.{n}.bias"]
        before_relu = of_a @ a + of_local @ local_code + weights[f"global_modulation.{n}.weight"] @ global_code + m
        a = np.where(before_relu > 0, before_relu, 0)
        h = a * np.sin(weights[f"synthesis.{n}.weight"] @ h + weights[f"synthesis.{n}.bias"])
    return weights["output.weight"] @ h


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_displacement_is_that_of_the_equations(layers):
    network = a_network(layers)
    code, points = codes_and_points()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    local = code.local_at(points).numpy()
    expected = [
        [
            displacement_by_hand(weights, layers, p, code.global_code[b].numpy(), z)
            for p, z in zip(points[b].numpy(), local[b])
        ]
        for b in range(2)
    ]
    got = network(points, code).detach().numpy()
    assert got.shape == (2, 11, 3) and np.abs(got).max() > 0.5
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_new_network_moves_nothing_whatever_the_code(layers):
    torch.manual_seed(3)
    network = CoordinateNetwork(GLOBAL, LOCAL, WIDTH, FREQUENCIES, layers=layers).double()
    code, points = codes_and_points()
    assert torch.equal(network(points, code.map(lambda part: part * 100)), torch.zeros(2, 11, 3))


def test_a_new_network_can_learn():
    """The output's weights start at zero, so the first step must come through them."""
    torch.manual_seed(3)
    network = CoordinateNetwork(GLOBAL, LOCAL, WIDTH, FREQUENCIES).double()
    code, points = codes_and_points()
    network(points, code).sum().backward()
    assert network.output.weight.grad.abs().max() > 0.01


def test_both_parts_of_the_code_and_the_points_get_a_gradient():
    code, points = codes_and_points()
    code, points = code.map(lambda part: part.detach().clone().requires_grad_(True)), points.requires_grad_(True)
    a_network()(points, code).square().sum().backward()
    assert all(part.grad.abs().max() > 0 for part in (*code.tensors(), points))


def test_the_local_code_acts_where_it_is_and_the_global_code_everywhere():
    network = a_network()
    code, _ = codes_and_points()
    code = LatentCode(code.global_code[:1], code.local_code[:1])
    near, far = torch.tensor([[[-0.9, -0.9, -0.9]]]).double(), torch.tensor([[[0.9, 0.9, 0.9]]]).double()
    changed_local = code.local_code.clone()
    changed_local[..., 0, 0, 0] += 1
    locally = LatentCode(code.global_code, changed_local)
    globally = LatentCode(code.global_code + 1, code.local_code)
    assert torch.equal(network(far, locally), network(far, code))
    assert not torch.allclose(network(near, locally), network(near, code))
    for point in (near, far):
        assert not torch.allclose(network(point, globally), network(point, code))


def test_the_frequencies_have_their_scale_are_kept_and_never_trained():
    torch.manual_seed(0)
    network = CoordinateNetwork(frequencies=4000, width=2, frequency_scale=2.5)
    assert network.state_dict()["frequencies"].shape == (3, 4000)
    assert float(network.frequencies.std()) == pytest.approx(2.5, rel=0.03)
    assert "frequencies" not in dict(network.named_parameters())
