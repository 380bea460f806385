"""Previews come now and then, cost little and leave the optimisation alone."""

import numpy as np
import pytest
import torch

from NePhiCore import preview as preview_module
from NePhiCore.geometry import ImageGeometry
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.optimisation import Maps
from NePhiCore.placement import Placement
from NePhiCore.preview import SPACING_MM, Previews

FIXED = ImageGeometry.from_spacing((30, 40, 50), (3.0, 3.0, 3.0), (-70.0, -60.0, -40.0))
SHIFT_RAS_MM = (5.0, 6.0, 7.0)


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still but for what a test adds."""
    times = [100.0]
    monkeypatch.setattr(preview_module.time, "monotonic", lambda: times[-1])
    return times


def a_placement() -> Placement:
    cube, moved = np.diag([50.0, 50, 50, 1])[:, [2, 1, 0, 3]], np.eye(4)
    moved[:3, 3] = SHIFT_RAS_MM
    return Placement(cube, moved @ cube)


def maps() -> Maps:
    torch.manual_seed(0)
    config = ModelConfig(4, 4, 5, width=8, frequencies=4, layers=1, encoder_width=8)
    model = NePhiModel(config).eval().requires_grad_(False)
    return Maps(model.fixed_to_moving, model.moving_to_fixed, model.empty_code())


def test_a_preview_is_the_map_of_the_moment_on_a_coarse_grid_over_the_fixed_image(clock):
    shown = []
    Previews(shown.append, a_placement(), FIXED).offer(maps)
    (field,) = shown
    assert (field.geometry.spacing_mm <= SPACING_MM + 1e-9).all()
    np.testing.assert_allclose(field.geometry.corners_ras_mm(), FIXED.corners_ras_mm(), atol=1e-6)
    # An untrained model maps one cube onto the other.
    expected = np.broadcast_to(SHIFT_RAS_MM, field.displacement_ras_mm.shape)
    np.testing.assert_allclose(field.displacement_ras_mm, expected, atol=1e-3)


def test_they_come_every_two_seconds(clock):
    shown = []
    previews = Previews(shown.append, a_placement(), FIXED)
    for second in np.arange(0, 10, 0.5):
        clock.append(100 + second)
        previews.offer(maps)
    assert len(shown) == 5


def test_where_they_are_slow_they_come_less_often(clock):
    shown = []

    def slow(field):
        shown.append(field)
        clock.append(clock[-1] + 1.0)

    previews = Previews(slow, a_placement(), FIXED)
    for _ in range(40):  # looks at the optimisation a second apart
        previews.offer(maps)
        clock.append(clock[-1] + 1.0)
    assert len(shown) == 2


def test_maps_are_not_copied_for_nothing(clock):
    previews = Previews(lambda field: None, a_placement(), FIXED)
    previews.offer(maps)
    previews.offer(lambda: pytest.fail("it is not time yet"))
