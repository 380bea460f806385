"""Diseased places of the phantom, by formula."""

import pytest
import torch

from NePhiCore.phantom_disease import HEALTHY, Ball, Disease

POINTS = torch.tensor([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 11.0, 0.0]])
PARENCHYMA, REST = torch.full((3,), 0.12), torch.full((3,), 0.03)
HERE = Ball((0.0, 0.0, 0.0), 10.0)


def test_healthy_lung_is_packed_as_it_loses_volume_and_its_vessels_are_not():
    assert HEALTHY.density(PARENCHYMA, REST, 1.5, POINTS).tolist() == pytest.approx([0.21] * 3)


def test_emphysema_is_light_and_breathes():
    ill = Disease(emphysema=(HERE,))
    assert ill.density(PARENCHYMA, REST, 1.0, POINTS).tolist() == pytest.approx([0.0225, 0.0225, 0.15])
    assert ill.density(PARENCHYMA, REST, 1.5, POINTS).tolist() == pytest.approx([0.0315, 0.0315, 0.21])


def test_trapped_air_does_not_go_out():
    ill = Disease(trapped_air=(HERE,))
    assert ill.density(PARENCHYMA, REST, 1.0, POINTS).tolist() == pytest.approx([0.075, 0.075, 0.15])
    assert ill.density(PARENCHYMA, REST, 1.5, POINTS).tolist() == pytest.approx([0.075, 0.075, 0.21])
