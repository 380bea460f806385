"""Everything that a viewer shows of a registration, on the tiny pair."""

import numpy as np
import pytest
import torch
from command_cases import (
    LANDMARKS_LPS_MM,
    LUNGS,
    ORIGIN_RAS_MM,
    SHIFT_RAS_MM,
    SMALL_MODEL,
    grid,
    hu,
    quick_registration,
)
from memory_cases import raises

from NePhiCore.checkpoint import LoadedModel
from NePhiCore.cli_run import Run
from NePhiCore.errors import DeviceMemoryError, InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.interruption import Interruption
from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES, MAPS, OUTSIDE
from NePhiCore.model import NePhiModel
from NePhiCore.pair_data import GridData, MaskPart, PairInputs
from NePhiCore.pair_outputs import mask_on, registered_pair
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume

FAST = settings_for("fast", grid_spacing_mm=8.0, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


def lungs() -> np.ndarray:
    mask = np.zeros(hu().shape, np.uint8)
    mask[LUNGS] = 1
    return mask


def registered(settings=FAST, moving_origin=ORIGIN_RAS_MM + SHIFT_RAS_MM, progress=lambda message: None, **changes):
    torch.manual_seed(0)
    model = LoadedModel(NePhiModel(SMALL_MODEL).eval().requires_grad_(False), "0" * 64, "small.pt", {})
    fixed, moving = Volume(hu(), grid(), "inhale"), Volume(hu(), grid(moving_origin), "exhale")
    masks = {"fixed_mask": (MaskPart(lungs(), grid()),), "moving_mask": (MaskPart(lungs(), grid(moving_origin)),)}
    inputs = PairInputs(fixed, moving, **{**masks, **changes})
    return registered_pair(inputs, settings, model, Run(progress, Interruption(), keep_partial=True))


def test_images_masks_and_figures_belong_to_the_pair():
    outputs = registered()
    for grid_data, sign in ((outputs.fixed_to_moving, 1), (outputs.moving_to_fixed, -1)):
        expected = np.broadcast_to(sign * SHIFT_RAS_MM, grid_data.displacement_ras_mm.shape)
        np.testing.assert_allclose(grid_data.displacement_ras_mm, expected, atol=1e-3)
    np.testing.assert_array_equal(outputs.warped, hu())
    np.testing.assert_allclose(outputs.determinant, 1, atol=1e-4)
    assert outputs.folds.dtype == np.uint8 and not outputs.folds.any()
    np.testing.assert_array_equal(outputs.fixed_lungs, lungs())
    assert outputs.figures["inputs"] == {"fixed": "inhale", "moving": "exhale"}
    assert outputs.figures["model"] == "small.pt"
    assert "outputs" not in outputs.figures


def test_lung_function_maps_come_where_they_are_asked_for():
    assert registered().lung_function == {}
    told = []
    outputs = registered(lung_function=True, inhale="moving", progress=told.append)
    inside = outputs.fixed_lungs > 0
    by_volume, by_density, labels = (outputs.lung_function[name]() for name in MAPS)
    # The moving image is the fixed one moved: nothing comes in, by volume or by density.
    np.testing.assert_allclose(by_volume[inside], 0, atol=1e-3)
    np.testing.assert_array_equal(by_volume == OUTSIDE, ~inside)
    has_class = labels > 0
    np.testing.assert_allclose(by_density[has_class], 0, atol=0.01)
    assert has_class[inside].mean() > 0.99
    figures = outputs.figures["lung_function"]
    assert tuple(figures) == LUNG_FUNCTION_FIGURES
    assert figures["inhale_image"] == "moving"
    assert any("0 % in volume" in warning["message"] for warning in outputs.figures["warnings"])
    assert "lung function" in [message.step for message in told]
    assert outputs.figures["seconds_by_step"]["lung function"] > 0


def test_landmarks_are_measured():
    points = LANDMARKS_LPS_MM * (-1, -1, 1)
    outputs = registered(fixed_landmarks_ras_mm=points, moving_landmarks_ras_mm=points + SHIFT_RAS_MM + (0, 0, 2.0))
    assert outputs.figures["tre_mm"]["after"]["mean"] == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("kind", ["matrix", "grid"])
def test_an_initial_transform_brings_images_together_that_lie_apart(kind):
    shift, matrix = np.array([500.0, 0, 0]), np.eye(4)
    matrix[:3, 3] = shift
    everywhere = ImageGeometry.from_spacing((2, 2, 2), (400.0,) * 3, (-200.0,) * 3)
    field = GridData(np.full((2, 2, 2, 3), shift, np.float32), everywhere)
    outputs = registered(moving_origin=ORIGIN_RAS_MM + shift, initial=matrix if kind == "matrix" else field)
    expected = np.broadcast_to(shift, outputs.fixed_to_moving.displacement_ras_mm.shape)
    np.testing.assert_allclose(outputs.fixed_to_moving.displacement_ras_mm, expected, atol=1e-2)


def test_steps_are_told_in_order():
    told = []
    registered(progress=told.append)
    assert [message.step for message in told if message.step in ("quality", "writing")] == ["quality", "writing"]
    shares = [message.share for message in told]
    assert shares == sorted(shares)


def test_a_mask_may_have_a_grid_of_its_own_and_several_parts():
    half = grid().with_spacing(2.0)
    left, right = lungs(), lungs()
    left[:, :, 14:], right[:, :, :14] = 0, 0
    finer = np.repeat(np.repeat(np.repeat(left, 2, 0), 2, 1), 2, 2)[:-1, :-1, :-1]
    assert finer.shape == half.shape_kji
    # Voxels of the finer grid lie half a voxel off where they were repeated from: nearest reading takes the even ones.
    mask = mask_on((MaskPart(finer, half), MaskPart(right * 5, grid(), 5)), grid(), "fixed")
    np.testing.assert_array_equal(mask, lungs() > 0)
    assert mask_on((), grid(), "fixed") is None


def test_a_label_counts_alone():
    labels = lungs()
    labels[LUNGS[0], LUNGS[1], 14:22] = 2
    mask = mask_on((MaskPart(labels, grid(), 2),), grid(), "fixed")
    np.testing.assert_array_equal(mask, labels == 2)


def test_a_mask_that_marks_nothing_of_the_image_is_refused():
    with pytest.raises(InvalidVolumeError, match="marks no voxel"):
        mask_on((MaskPart(lungs(), grid(ORIGIN_RAS_MM + 1000)),), grid(), "fixed")


def test_no_memory_for_a_map_is_said_in_words(monkeypatch):
    outputs = registered(lung_function=True)
    monkeypatch.setattr("NePhiCore.block_volume.BlockVolume.whole", raises(MemoryError("Unable to allocate 600 MiB")))
    for whole in outputs.lung_function.values():
        with pytest.raises(DeviceMemoryError):
            whole()
