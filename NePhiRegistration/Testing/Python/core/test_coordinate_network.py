"""The coordinate network against its equations, written out a point at a time in float64."""

import numpy as np
import pytest
import torch

from NePhiCore import coordinate_layers
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


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("chunk", [4, 11, 1024])
def test_values_and_first_derivatives_written_out_are_those_of_autograd(layers, chunk, monkeypatch):
    """Of points, both codes and every weight; however many points go through at once."""
    monkeypatch.setattr(coordinate_layers, "CHUNK_POINTS", chunk)
    network, (code, points) = a_network(layers), codes_and_points()
    code, points = code.map(lambda part: part.clone().requires_grad_(True)), points.requires_grad_(True)
    leaves = [points, *code.tensors(), *network.parameters()]
    weights = torch.randn(points.shape, dtype=torch.float64)
    values = [form(points, code) for form in (network, network.plain)]
    torch.testing.assert_close(*values, rtol=0, atol=1e-13)
    for got, expected in zip(*(torch.autograd.grad((value * weights).sum(), leaves) for value in values)):
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("asked", range(8), ids=lambda bits: format(bits, "03b"))
def test_what_nobody_asks_for_changes_nothing_of_the_rest(asked):
    """Points, code and weights are each refined or not: every case has a way back of its own."""
    network, (code, points) = a_network(), codes_and_points()
    network.requires_grad_(bool(asked & 1))
    code = code.map(lambda part: part.clone().requires_grad_(bool(asked & 2)))
    points.requires_grad_(bool(asked & 4))
    leaves = [leaf for leaf in (points, *code.tensors(), *network.parameters()) if leaf.requires_grad]
    values = network(points, code)
    assert values.requires_grad == bool(asked)
    expected = torch.autograd.grad(network.plain(points, code).square().sum(), leaves) if leaves else ()
    for got, same in zip(torch.autograd.grad(values.square().sum(), leaves) if leaves else (), expected):
        torch.testing.assert_close(got, same, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("form", [CoordinateNetwork.forward, LatentCode.local_at], ids=["network", "code"])
def test_second_derivatives_are_refused_where_they_would_be_wrong(form):
    network, (code, points) = a_network(), codes_and_points()
    points.requires_grad_(True)
    values = form(network, points, code) if form is CoordinateNetwork.forward else form(code, points)
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(values.sum(), points, create_graph=True)
