"""A small chest of textured lungs that an untrained model registers exactly, and what can be wrong with it."""

import numpy as np
import torch
from command_cases import SMALL_MODEL

from NePhiCore.checkpoint import LoadedModel
from NePhiCore.cli_run import Run
from NePhiCore.geometry import ImageGeometry
from NePhiCore.interruption import Interruption
from NePhiCore.model import NePhiModel
from NePhiCore.pair_data import MaskPart, PairInputs
from NePhiCore.pair_outputs import registered_pair
from NePhiCore.settings import RegistrationSettings, settings_for
from NePhiCore.volume import Volume

SHAPE_KJI = (24, 26, 28)
SPACING_MM = 4.0
LUNGS = (slice(6, 18), slice(6, 20), slice(6, 22))
FAST = settings_for("fast", grid_spacing_mm=8.0, device="cpu")


def chest(patient=0, lungs=LUNGS) -> np.ndarray:
    """(K, J, I) int16: lungs in tissue; each patient has another texture."""
    rng = np.random.default_rng(patient)
    hu = np.full(SHAPE_KJI, 40.0)
    hu[lungs] = rng.normal(-800, 60, SHAPE_KJI)[lungs]
    return hu.astype(np.int16)


def grid(spacing_mm=SPACING_MM, origin_ras_mm=(-50.0, -60.0, -40.0)) -> ImageGeometry:
    return ImageGeometry.from_spacing(SHAPE_KJI, spacing_mm, origin_ras_mm)


def mask(lungs=LUNGS) -> np.ndarray:
    marked = np.zeros(SHAPE_KJI, np.uint8)
    marked[lungs] = 1
    return marked


def a_model(output_weights=0.0) -> LoadedModel:
    """Untrained: maps the box of one image's lungs to that of the other's; with output weights it folds."""
    torch.manual_seed(0)
    model = NePhiModel(SMALL_MODEL)
    for network in (model.fixed_to_moving, model.moving_to_fixed):
        torch.nn.init.normal_(network.output.weight, std=output_weights)
    return LoadedModel(model.eval().requires_grad_(False), "0" * 64, "small.pt", {})


def warned_codes(
    fixed_hu=None,
    moving_hu=None,
    moving_grid=None,
    fixed_mask=None,
    moving_mask=None,
    model: LoadedModel | None = None,
    settings: RegistrationSettings = FAST,
    inhale: str | None = None,
    place_doubt: str = "",
) -> set[str]:
    """The codes in the report of a pair: a chest and the same one moved, but for what is given."""
    moving_grid = moving_grid or grid(origin_ras_mm=(-40.0, -66.0, -26.0))
    hus = [chest() if hu is None else hu for hu in (fixed_hu, moving_hu)]
    masks = [mask() if marked is None else marked for marked in (fixed_mask, moving_mask)]
    inputs = PairInputs(
        Volume(hus[0], grid(), "fixed"),
        Volume(hus[1], moving_grid, "moving", place_doubt),
        fixed_mask=(MaskPart(masks[0], grid()),),
        moving_mask=(MaskPart(masks[1], moving_grid),),
        inhale=inhale,
    )
    run = Run(lambda message: None, Interruption(), keep_partial=True)
    outputs = registered_pair(inputs, settings, model or a_model(), run)
    return {warning["code"] for warning in outputs.figures["warnings"]}
