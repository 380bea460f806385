"""The model: two maps that share a code, the identity at the start, and where they go beyond the cube."""

import dataclasses
import math

import pytest
import torch
from command_cases import SMALL_MODEL

from NePhiCore.encoder import HEAD_INPUTS, matched_displacements
from NePhiCore.errors import SettingsError
from NePhiCore.latent_code import LatentCode
from NePhiCore.model import ModelConfig, NePhiModel, map_points

SIZES = [field.name for field in dataclasses.fields(ModelConfig) if field.type == "int"]


@pytest.fixture(scope="module")
def model() -> NePhiModel:
    torch.manual_seed(0)
    return NePhiModel(SMALL_MODEL)


def random_code(batch: int = 1) -> LatentCode:
    generator = torch.Generator().manual_seed(1)
    size, channels = SMALL_MODEL.local_size, SMALL_MODEL.local_channels
    return LatentCode(
        torch.randn(batch, SMALL_MODEL.global_channels, generator=generator),
        torch.randn(batch, channels, size, size, size, generator=generator),
    )


def some_points(batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 50, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("direction", ["fixed_to_moving", "moving_to_fixed"])
def test_a_new_model_is_the_identity_whatever_the_code_inside_the_cube_and_beyond(model, direction):
    points = some_points(2) * 3
    assert torch.equal(map_points(getattr(model, direction), points, random_code(2)), points)


def test_the_two_maps_have_the_same_structure_and_separate_weights(model):
    forth, back = model.fixed_to_moving.state_dict(), model.moving_to_fixed.state_dict()
    assert {name: value.shape for name, value in forth.items()} == {name: value.shape for name, value in back.items()}
    assert not torch.equal(forth["synthesis.0.weight"], back["synthesis.0.weight"])
    assert not {id(p) for p in model.fixed_to_moving.parameters()} & {id(p) for p in model.moving_to_fixed.parameters()}


def test_the_coordinate_parameters_are_those_of_the_maps_without_the_encoder(model):
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    maps = {id(parameter) for parameter in model.coordinate_parameters()}
    assert len(maps) == len(model.coordinate_parameters())
    assert maps.isdisjoint(encoder)
    assert maps | encoder == {id(parameter) for parameter in model.parameters()}


def test_the_empty_code_fits_the_networks(model):
    code = model.empty_code(batch=2)
    assert [part.shape for part in code.tensors()] == [part.shape for part in random_code(2).tensors()]
    assert not any(part.any() for part in code.tensors())
    assert model.moving_to_fixed(some_points(2), code).shape == (2, 50, 3)


def test_the_config_sets_every_size():
    config = ModelConfig(
        global_channels=3, local_channels=5, local_size=4, width=6, frequencies=7, layers=3, encoder_width=8
    )
    network = NePhiModel(config).fixed_to_moving
    assert network.frequencies.shape == (3, 7)
    assert [tuple(layer.weight.shape) for layer in network.synthesis] == [(6, 14), (6, 6), (6, 6)]
    assert [tuple(layer.weight.shape) for layer in network.modulation] == [(6, 19), (6, 11), (6, 11)]
    assert [tuple(layer.weight.shape) for layer in network.global_modulation] == [(6, 3)] * 3


def test_encoding_hands_on_what_the_search_found_and_builds_no_graph(model, monkeypatch):
    asked, weight = [], torch.ones(1, requires_grad=True)
    found = torch.rand(1, HEAD_INPUTS, 3, 3, 3)

    def matches(fixed, moving, known):
        asked.append((fixed, moving, known))
        return found

    monkeypatch.setattr(model.encoder, "matches", matches)
    monkeypatch.setattr(model.encoder, "code_from_matches", lambda m: LatentCode(m.sum() * weight, m.mean() * weight))
    code, matched = model.encode("fixed", "moving", "known")
    assert asked == [("fixed", "moving", "known")]
    assert (code.global_code, code.local_code) == (found.sum(), found.mean())
    assert not any(part.requires_grad for part in code.tensors())
    assert all(torch.equal(got, expected) for got, expected in zip(matched, matched_displacements(found), strict=True))


class Swirl(torch.nn.Module):
    """u = (z y, 2 x, z + 1): small enough to work out by hand, and different on every face of the cube."""

    def forward(self, points_norm: torch.Tensor, code: LatentCode) -> torch.Tensor:
        z, y, x = points_norm.unbind(-1)
        return torch.stack([z * y, 2 * x, z + 1], -1)


def test_a_map_is_the_point_and_its_displacement():
    point = torch.tensor([[[0.5, -0.25, 1.0]]])
    expected = torch.tensor([[[0.5 - 0.125, -0.25 + 2.0, 1.0 + 1.5]]])
    torch.testing.assert_close(map_points(Swirl(), point, None), expected)


def test_beyond_the_cube_the_displacement_of_its_nearest_point_goes_on():
    points = torch.tensor([[[3.0, 0.5, 0.0], [0.5, -4.0, 7.0]]])
    # nearest in the cube: (1, 0.5, 0) and (0.5, -1, 1)
    expected = points + torch.tensor([[[0.5, 0.0, 2.0], [-0.5, 2.0, 1.5]]])
    torch.testing.assert_close(map_points(Swirl(), points, None), expected)


def test_a_map_is_continuous_across_the_surface_of_the_cube(model):
    network, code = model.fixed_to_moving, random_code()
    torch.nn.init.normal_(network.output.weight, std=0.5, generator=torch.Generator().manual_seed(3))
    on_surface = some_points()
    on_surface[..., 1] = 1.0
    outwards = torch.tensor([0.0, 1e-4, 0.0])
    jump = map_points(network, on_surface + outwards, code) - map_points(network, on_surface - outwards, code)
    torch.nn.init.zeros_(network.output.weight)
    assert jump.abs().max() < 0.01


def test_a_config_survives_its_dictionary():
    assert ModelConfig(**SMALL_MODEL.as_dict()) == SMALL_MODEL
    assert set(ModelConfig().as_dict()) == {field.name for field in dataclasses.fields(ModelConfig)}


@pytest.mark.parametrize("value", [0, -1, 10**6, 2.0, "8", None, True, math.nan, [8]])
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_no_model_has_is_refused_before_it_is_built(name, value):
    with pytest.raises(SettingsError, match=f"{name} must be a whole number in .*, got"):
        ModelConfig(**{name: value})


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "1", None])
def test_a_scale_that_is_not_positive_is_refused(value):
    with pytest.raises(SettingsError, match="frequency_scale must be a positive number"):
        ModelConfig(frequency_scale=value)
