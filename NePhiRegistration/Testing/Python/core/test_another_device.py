"""A registration on a device that is not the CPU: nothing is mixed, nothing waits in the loop, the result is the same.

The device is pretended (`pretended_device`), so that this is seen on machines without a GPU too.
"""

import functools

import numpy as np
import pytest
import torch
from coarse_world import COARSE, a_model, coarse_world
from pretended_device import DEVICE, pretended_device

import NePhiCore.registration as registration_module
from NePhiCore import dense_evaluation, lung_cells
from NePhiCore.displacement_field import map_points
from NePhiCore.errors import DeviceMemoryError
from NePhiCore.phantom import breathing_phantom
from NePhiCore.registration import register
from NePhiCore.settings import settings_for
from NePhiCore.transform_io import InitialTransform

ITERATIONS = 12


@pytest.fixture(scope="module", autouse=True)
def a_coarse_world():
    with coarse_world():
        yield


@pytest.fixture(scope="module")
def phantom(a_coarse_world):
    return breathing_phantom(**COARSE)


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(
        registration_module, "working_device", lambda name: DEVICE if name == "cuda" else torch.device("cpu")
    )
    with pretended_device(monkeypatch) as counts:
        yield counts


def run(
    phantom, device, preset="accurate", iterations=ITERATIONS, lungs=True, on_preview=None, initial=None, **changes
):
    rates = {"network_learning_rate": 0.01, "latent_learning_rate": 0.01}
    settings = settings_for(preset, device=device, iterations=iterations, grid_spacing_mm=12.0, **rates, **changes)
    masks = {"fixed_lungs": phantom.exhale_lungs, "moving_lungs": phantom.inhale_lungs} if lungs else {}
    return register(
        phantom.exhale,
        phantom.inhale,
        settings,
        model=a_model(output=0.02),
        on_preview=on_preview,
        initial_transform=initial,
        **masks,
    )


def test_what_the_pretended_device_refuses(device):
    there = torch.ones(3, device=DEVICE)
    for mixing in (lambda: there + torch.ones(3), lambda: torch.cat([there, torch.ones(3)])):
        with pytest.raises(RuntimeError, match="same device"):
            mixing()
    with pytest.raises(RuntimeError, match="not supported"):
        there.numpy()
    before = device.operations, len(device.waits)
    assert float((there + 1).sum().cpu()) == 6
    assert (device.operations - before[0], len(device.waits) - before[1]) == (3, 1)


@pytest.mark.parametrize("preset", ["balanced", "accurate"])
def test_the_maps_are_those_of_the_cpu(phantom, device, preset):
    there, here = (run(phantom, name, preset) for name in ("cuda", "cpu"))
    for map_name in ("fixed_to_moving", "moving_to_fixed"):
        ours, theirs = (getattr(result, map_name).displacement_ras_mm for result in (there, here))
        assert np.abs(theirs).max() > 5
        np.testing.assert_allclose(ours, theirs, atol=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"similarity": "mind"},
        {"similarity": "ncc", "regularity": "diffusion"},
        {"regularity": "none"},
        {"enclosed_tissue_weight": 0.0},
        {"lungs": False},
        {"on_preview": lambda field: None},
    ],
    ids=["mind", "ncc", "no regularity", "no tissue", "lungs found", "with preview"],
)
def test_every_way_through_stays_on_the_device(phantom, device, changes):
    run(phantom, "cuda", **changes)


def test_an_initial_transform_goes_along(phantom, device):
    """One that is not linear brings a field of its own; it lies on the CPU."""
    truth = run(phantom, "cpu", "fast").fixed_to_moving
    initial = InitialTransform((functools.partial(map_points, truth),), None)
    there, here = (run(phantom, name, "fast", initial=initial) for name in ("cuda", "cpu"))
    np.testing.assert_allclose(
        there.fixed_to_moving.displacement_ras_mm, here.fixed_to_moving.displacement_ras_mm, atol=0.05
    )


def test_the_memory_of_the_device_is_counted(device):
    before = device.bytes
    there = torch.ones(1000, device=DEVICE)
    seen, more = there[:10].view(2, 5), there + 1
    assert device.bytes - before == 8000
    del there, more
    assert device.bytes - before == 4000 and device.most_bytes - before == 8000  # a view keeps all of it
    del seen
    assert device.bytes == before


def test_less_memory_is_made_do_with(phantom, device, monkeypatch):
    """Less than a run would take, enough for smaller parts: it goes on in those, to the same maps."""
    usual = run(phantom, "cuda", "fast")
    usual_bytes, device.most_bytes = device.most_bytes, 0
    with monkeypatch.context() as patch:
        patch.setattr(dense_evaluation, "DEVICE_CHUNK_POINTS", 512)
        patch.setattr(lung_cells, "_DEVICE_VALUES", 1 << 18)
        run(phantom, "cuda", "fast")
    assert device.most_bytes < 0.9 * usual_bytes
    device.limit_bytes = (device.most_bytes + usual_bytes) // 2
    short = run(phantom, "cuda", "fast")
    for map_name in ("fixed_to_moving", "moving_to_fixed"):
        ours, theirs = (getattr(result, map_name).displacement_ras_mm for result in (short, usual))
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_too_little_memory_is_said(phantom, device):
    device.limit_bytes = device.bytes + 100_000
    with pytest.raises(DeviceMemoryError, match="--device cpu"):
        run(phantom, "cuda", "fast")


@pytest.mark.parametrize("preset", ["balanced", "accurate"])
def test_a_step_of_the_optimisation_never_waits_but_to_tell_its_loss(phantom, device, preset):
    """Thirty steps more are three looks more: three numbers each, and nothing else that waits."""
    waits, operations = [], []
    for iterations in (15, 45):
        before = len(device.waits), device.operations
        run(phantom, "cuda", preset, iterations)
        waits.append(device.waits[before[0] :])
        operations.append(device.operations - before[1])
    assert len(waits[1]) - len(waits[0]) == 9
    assert (operations[1] - operations[0]) / 30 < 900
