"""The pairs of an ablation, kept in memory: lungs found and images encoded once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property, partial

import torch

from benchmarks.cases import BenchmarkPair
from NePhiCore.checkpoint import LoadedModel
from NePhiCore.comparison import SIMILARITY_TABLE, ComparedImage
from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.device import choose_device
from NePhiCore.enclosed_tissue import HU_WINDOW as TISSUE_WINDOW
from NePhiCore.encoder import SEARCH_SIZE
from NePhiCore.image_io import read_volume
from NePhiCore.latent_code import LatentCode
from NePhiCore.lung_mask import find_lungs
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.optimisation import Maps, optimise
from NePhiCore.placement import place_pair
from NePhiCore.preprocessing import CubeImage, cube_shape, to_cube
from NePhiCore.scales import SCALES, scaled_pairs
from NePhiCore.settings import RegistrationSettings

TRUTH = "truth_exhale_to_inhale.npz"  # beside a pair whose motion was made


@dataclass(frozen=True, eq=False)
class Start:
    """Stands in for a `NePhiModel` in `register`: networks, and a code that is known already.

    Attributes:
        matched: what the encoder's search found, for the guidance; None where there was no search.
    """

    fixed_to_moving: CoordinateNetwork
    moving_to_fixed: CoordinateNetwork
    code: LatentCode
    matched: tuple[torch.Tensor, torch.Tensor] | None = None

    def to(self, device: torch.device) -> Start:
        """Itself: it was made where it is used."""
        return self

    def encode(self, fixed: CubeImage, moving: CubeImage, known: torch.Tensor | None = None):
        return self.code, self.matched


class Subject:
    """One pair. Nothing is read or computed before it is asked for, and nothing twice."""

    def __init__(self, files: BenchmarkPair, model: LoadedModel, device: str = "auto") -> None:
        self.files, self.name = files, files.name
        self.is_semi_synthetic = (files.fixed.parent / TRUTH).exists()
        self._model, self._device = model.model, choose_device(device)
        self.encoding_seconds = self.encoding_cpu_seconds = 0.0

    @cached_property
    def volumes(self):
        return read_volume(self.files.fixed, "fixed"), read_volume(self.files.moving, "moving")

    @cached_property
    def lungs(self):
        """(K, J, I) bool of fixed and moving, found by the product's own code."""
        return tuple(find_lungs(volume) for volume in self.volumes)

    @cached_property
    def lung_voxels(self) -> int:
        """How many voxels the points of the finest scale are drawn from."""
        fixed, _ = self._cubes_at_spacing(SCALES[-1].spacing_mm)
        return len(ComparedImage.of(fixed, SIMILARITY_TABLE["ncc"], SCALES[-1].neighbourhoods).candidates_norm)

    @cached_property
    def encoded(self) -> Start:
        """The encoder's start, timed."""
        cubes = self._cubes((SEARCH_SIZE,) * 3)
        seconds, cpu_seconds = time.perf_counter(), time.process_time()
        model = self._model.to(self._device)
        start = Start(model.fixed_to_moving, model.moving_to_fixed, *model.encode(*cubes))
        self.encoding_seconds = time.perf_counter() - seconds
        self.encoding_cpu_seconds = time.process_time() - cpu_seconds
        return start

    def scratch(self, size: int, seed: int) -> Start:
        """Fresh networks as the shipped ones are, a zero code of size^3."""
        config = ModelConfig(**{**self._model.config.as_dict(), "local_size": size})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = NePhiModel(config).requires_grad_(False).to(self._device)
        return Start(model.fixed_to_moving, model.moving_to_fixed, model.empty_code())

    def between(self, other: Subject, share: float, settings: RegistrationSettings) -> Start:
        """The networks with a mixture of two pairs' refined codes, `share` of the other's."""
        here, there = (subject._refined_code(settings).tensors() for subject in (self, other))
        mixture = LatentCode(*(torch.lerp(a, b, share) for a, b in zip(here, there)))
        return Start(self.encoded.fixed_to_moving, self.encoded.moving_to_fixed, mixture)

    def _refined_code(self, settings: RegistrationSettings) -> LatentCode:
        if settings not in self._refined_codes:
            start = self.encoded
            maps = Maps(start.fixed_to_moving, start.moving_to_fixed, start.code)
            tissue_at = partial(self._cubes_at_spacing, hu_window=TISSUE_WINDOW)
            pairs = scaled_pairs(self._cubes_at_spacing, settings.similarity, tissue_at)
            self._refined_codes[settings] = optimise(maps, pairs, settings, matched=start.matched).maps.code
        return self._refined_codes[settings]

    @cached_property
    def _refined_codes(self) -> dict[RegistrationSettings, LatentCode]:
        return {}

    @cached_property
    def _placement(self):
        return place_pair(*self.volumes, *self.lungs, None)

    def _cubes_at_spacing(self, spacing_mm: float, **window) -> tuple[CubeImage, CubeImage]:
        return self._cubes(cube_shape(self._placement.fixed_norm_to_ras, spacing_mm), **window)

    def _cubes(self, shape: tuple[int, int, int], **window) -> tuple[CubeImage, CubeImage]:
        placed = self._placement.fixed_norm_to_ras, self._placement.moving_norm_to_ras
        parts = zip(self.volumes, self.lungs, placed)
        return tuple(
            to_cube(volume, lungs, cube, shape, **window, device=self._device) for volume, lungs, cube in parts
        )
