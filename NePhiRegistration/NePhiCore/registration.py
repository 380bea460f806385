"""register(): the one pipeline behind the command line, the Python package and the Slicer module."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
import torch

from . import __version__
from .checkpoint import LoadedModel, load_checkpoint
from .coordinate_network import CoordinateNetwork
from .dense_evaluation import evaluate_map, interpolation_error_mm
from .device import memory_errors_in_words, working_device
from .displacement_field import DisplacementField
from .enclosed_tissue import HU_WINDOW as TISSUE_WINDOW
from .encoder import SEARCH_SIZE
from .errors import InvalidVolumeError, RegistrationCancelled
from .geometry import ImageGeometry
from .inverse_correction import corrected_inverse
from .lung_mask import find_lungs
from .model import map_points
from .model_store import default_model_path
from .optimisation import LossTrace, Maps, Optimised, optimise
from .placement import Placement, place_pair
from .preprocessing import LUNG_WINDOW, CubeImage, cube_shape, in_window, resampled
from .preview import Previews
from .progress import Progress, ProgressCallback, StepClock
from .scales import FINEST_MM, CubesAt, scaled_pairs
from .settings import RegistrationSettings
from .sharpness import smoothing_to_match
from .side_by_side import one_thread_beside, side_by_side
from .transform_io import InitialTransform
from .volume import Volume, check_volume
from .voxel_views import mask_points_ras_mm, nodes_around

_CubesAt = Callable[..., tuple[CubeImage, CubeImage]]

LEAST_LUNGS_ML = 10.0  # one lung of a newborn has about 30
MOST_LUNGS_LITRES = 20.0  # twice what the largest have
# Of the variance by which two images seem to differ in sharpness. From a map a millimetre off, images that are alike
# seem to differ too; matching them halfway or less costs little where they differ, and smooths little where not.
SHARPNESS_TRUST = 0.25
INTERPOLATION_POINTS = 5000
INVERSE_CORRECTIONS = 2  # what is left after them is the reading of the grids between their points


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """Both dense maps of a pair and how they came about.

    Attributes:
        fixed_to_moving: on a grid over the fixed image's field of view; warps the moving image onto the fixed one.
        moving_to_fixed: on a grid over the moving image's field of view; the learned inverse, corrected.
        fixed_lungs, moving_lungs: (K, J, I) bool on the grids of the images, given or found.
        interpolation_mm: (N,) how far fixed_to_moving, read linearly, is off the map that it holds, at points of the
            fixed lungs; less on a finer grid.
        trace: losses of the optimisation.
        cancelled: stopped by the user before the last iteration; the maps are the best so far.
        seconds_by_step: wall time of each step.
        provenance: version, model file and sha256, settings, device, threads.
    """

    fixed_to_moving: DisplacementField
    moving_to_fixed: DisplacementField
    fixed_lungs: np.ndarray
    moving_lungs: np.ndarray
    interpolation_mm: np.ndarray
    trace: LossTrace
    cancelled: bool
    seconds_by_step: dict[str, float]
    provenance: dict[str, object] = field(default_factory=dict)


def register(  # noqa: PLR0913 (all after the settings may be left out, and are given by name)
    fixed: Volume,
    moving: Volume,
    settings: RegistrationSettings = RegistrationSettings(),
    *,
    fixed_lungs: np.ndarray | None = None,
    moving_lungs: np.ndarray | None = None,
    initial_transform: InitialTransform | None = None,
    model: LoadedModel | None = None,
    progress: ProgressCallback = lambda message: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    on_preview: Callable[[DisplacementField], None] | None = None,
) -> RegistrationResult:
    """Find where each point of the fixed lungs lies in the moving image, and the other way round.

    Args:
        fixed, moving: CT of one patient, HU; any grids, orientations and fields of view.
        settings: see `settings_for`.
        fixed_lungs, moving_lungs: (K, J, I) bool on the grids of the images; found where they are None.
        initial_transform: fixed to moving, where something is known beforehand.
        model: from `load_checkpoint`; the shipped one where it is None.
        progress: told how far it is.
        is_cancelled: asked often; once it says yes, the best state so far is returned.
        on_preview: shown the fixed-to-moving map on a coarse grid every few seconds of the optimisation.

    Raises:
        InvalidVolumeError: an image or mask cannot be used, or the images do not belong together.
        ModelFileError, DeviceError, DeviceMemoryError, OptimisationDivergedError.
        RegistrationCancelled: cancelled before there was anything to return.
    """
    clock = StepClock(progress, settings.optimise != "none" and settings.iterations > 0)
    device = working_device(settings.device)

    def stop_if_cancelled(message: Progress | None = None) -> None:
        if is_cancelled():
            raise RegistrationCancelled("The registration was cancelled before there was a result.")

    with memory_errors_in_words(), clock.step("lungs"):
        fixed_lungs, moving_lungs = side_by_side(_lungs_of, (fixed, fixed_lungs), (moving, moving_lungs))
    stop_if_cancelled()
    with memory_errors_in_words(device), one_thread_beside(device):
        with _step(clock, "preparation", device):
            model = model or load_checkpoint(default_model_path())
            network = model.model.to(device)
            placement = place_pair(fixed, moving, fixed_lungs, moving_lungs, initial_transform)
            cubes_at = _cubes(fixed, moving, fixed_lungs, moving_lungs, placement, device)
            search_cubes = cubes_at((SEARCH_SIZE,) * 3)
        stop_if_cancelled()
        with _step(clock, "encoding", device):
            code, matched = network.encode(*search_cubes, placement.known)
            start = Maps(network.fixed_to_moving, network.moving_to_fixed, code)
        stop_if_cancelled()
        with _step(clock, "optimisation", device):
            previews = Previews(on_preview, placement, fixed.geometry) if on_preview else None
            optimised = _optimise(start, matched, cubes_at, placement, settings, clock, is_cancelled, previews)
        with clock.step("evaluation"):
            sources = (fixed.geometry, fixed_lungs), (moving.geometry, moving_lungs)
            fields = _evaluate(optimised.maps, placement, sources, settings.grid_spacing_mm, clock)
            interpolation_mm = _interpolation_mm(optimised.maps, placement, fixed.geometry, fixed_lungs, fields[0])
    clock.done()
    return RegistrationResult(
        *fields,
        fixed_lungs,
        moving_lungs,
        interpolation_mm,
        optimised.trace,
        optimised.cancelled,
        clock.seconds,
        {**provenance_of(model, settings), **_circumstances(device)},
    )


@contextmanager
def _step(clock: StepClock, name: str, device: torch.device) -> Iterator[None]:
    """A step that ends when the device has done what it was asked for, or its time would count for the next."""
    with clock.step(name):
        yield
        if device.type == "cuda":
            torch.cuda.synchronize(device)


def _lungs_of(volume: Volume, given: np.ndarray | None) -> np.ndarray:
    check_volume(volume)
    lungs = find_lungs(volume) if given is None else _given_lungs(volume, given)
    litres = np.count_nonzero(lungs) * volume.geometry.voxel_volume_mm3 * 1e-6
    if litres > MOST_LUNGS_LITRES:
        raise InvalidVolumeError(
            f"The lungs of {volume.name} are {litres:.0f} litres, which nobody has: its voxels of "
            f"{volume.geometry.spacing_mm.round(2).tolist()} mm are too large. Correct its header."
        )
    return lungs


def _given_lungs(volume: Volume, given: np.ndarray) -> np.ndarray:
    if given.shape != volume.hu.shape:
        raise InvalidVolumeError(
            f"The lung mask of {volume.name} has shape {given.shape}, its image {volume.hu.shape}; "
            "a mask must lie on the grid of its image."
        )
    if not given.any():
        raise InvalidVolumeError(f"The lung mask of {volume.name} is empty; give a mask that marks the lungs.")
    marked_ml = np.count_nonzero(given) * volume.geometry.voxel_volume_mm3 * 1e-3
    if marked_ml < LEAST_LUNGS_ML:
        raise InvalidVolumeError(
            f"The lung mask of {volume.name} marks {marked_ml:.2g} ml, which is too little for lungs: at least "
            f"{LEAST_LUNGS_ML:g} ml are needed. Give a mask that marks the whole lungs; is it another label or segment?"
        )
    return given.astype(bool, copy=False)


def _cubes(
    fixed: Volume,
    moving: Volume,
    fixed_lungs: np.ndarray,
    moving_lungs: np.ndarray,
    placement: Placement,
    device: torch.device,
) -> _CubesAt:
    """A function from the shape of a cube, and a window of HU, to both images over their cubes."""
    places = placement.fixed_norm_to_ras, placement.moving_norm_to_ras

    @lru_cache(maxsize=2)  # the optimisation sees each of its two grids more than once
    def resampled_to(shape: tuple[int, int, int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        images = zip((fixed, moving), (fixed_lungs, moving_lungs), places)
        return side_by_side(resampled, *((*image, shape, device) for image in images))

    def cubes_at(
        shape: tuple[int, int, int], hu_window: tuple[float, float] = LUNG_WINDOW
    ) -> tuple[CubeImage, CubeImage]:
        there = zip(resampled_to(shape), places)
        fixed_cube, moving_cube = (CubeImage(in_window(hu, hu_window), lungs, place) for (hu, lungs), place in there)
        return fixed_cube, moving_cube

    return cubes_at


def _optimise(
    start: Maps,
    matched: tuple[torch.Tensor, torch.Tensor],
    cubes_at: _CubesAt,
    placement: Placement,
    settings: RegistrationSettings,
    clock: StepClock,
    is_cancelled: Callable[[], bool],
    previews: Previews | None,
) -> Optimised:
    if settings.optimise == "none" or settings.iterations == 0:
        return Optimised(start, LossTrace())

    def on_step(iteration: int, loss: float) -> None:
        clock.within("optimisation", (iteration + 1) / settings.iterations, iteration, loss)

    def cubes_at_spacing(spacing_mm: float, **window: tuple[float, float]) -> tuple[CubeImage, CubeImage]:
        return cubes_at(cube_shape(placement.fixed_norm_to_ras, spacing_mm), **window)

    tissue_at = partial(cubes_at_spacing, hu_window=TISSUE_WINDOW) if settings.enclosed_tissue_weight else None
    smoothing_mm = _smoothing_to_match_mm(start, cubes_at_spacing, settings.seed)
    pairs = scaled_pairs(cubes_at_spacing, settings.similarity, tissue_at, smoothing_mm)
    on_look = previews.offer if previews else lambda present_maps: None
    return optimise(start, pairs, settings, on_step, is_cancelled, matched, on_look)


def _smoothing_to_match_mm(start: Maps, cubes_at: CubesAt, seed: int) -> tuple[float, float]:
    fixed_to_moving = partial(map_points, start.fixed_to_moving, code=start.code)
    generator = torch.Generator(start.code.local_code.device).manual_seed(seed)
    fixed, moving = smoothing_to_match(*cubes_at(FINEST_MM), fixed_to_moving, generator)
    to_mm = FINEST_MM * SHARPNESS_TRUST**0.5
    return fixed * to_mm, moving * to_mm


def _evaluate(
    maps: Maps,
    placement: Placement,
    sources: Sequence[tuple[ImageGeometry, np.ndarray]],
    spacing_mm: float,
    clock: StepClock,
) -> tuple[DisplacementField, DisplacementField]:
    """Both maps on grids over the fields of view of the images that they start from, exact in and around the lungs."""
    cubes = placement.fixed_norm_to_ras, placement.moving_norm_to_ras

    def evaluate(network: CoordinateNetwork, start: int) -> DisplacementField:
        geometry, lungs = sources[start]
        grid = geometry.with_spacing(spacing_mm)
        near_lungs = nodes_around(lungs, grid.shape_kji)

        def on_chunk(share: float) -> None:
            if start == 0:  # the other map is evaluated at the same time, in a thread of its own
                clock.within("evaluation", 0.8 * share)

        return evaluate_map(network, maps.code, cubes[start], cubes[1 - start], grid, on_chunk, fine=near_lungs)

    forward, backward = side_by_side(evaluate, (maps.fixed_to_moving, 0), (maps.moving_to_fixed, 1))
    device = maps.code.local_code.device
    return forward, corrected_inverse(backward, forward, INVERSE_CORRECTIONS, device)


def _interpolation_mm(
    maps: Maps, placement: Placement, geometry: ImageGeometry, lungs: np.ndarray, field: DisplacementField
) -> np.ndarray:
    cubes = placement.fixed_norm_to_ras, placement.moving_norm_to_ras
    points_ras_mm = mask_points_ras_mm(lungs, geometry, INTERPOLATION_POINTS, anywhere=True)
    return interpolation_error_mm(maps.fixed_to_moving, maps.code, *cubes, field, points_ras_mm)


def provenance_of(model: LoadedModel, settings: RegistrationSettings) -> dict[str, object]:
    """What decides a registration, its images apart."""
    return {
        "version": __version__,
        "model": model.file_name,
        "model_sha256": model.sha256,
        "settings": settings.as_dict(),
        "seed": settings.seed,
    }


def _circumstances(device: torch.device) -> dict[str, object]:
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
