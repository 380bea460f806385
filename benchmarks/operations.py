"""What each step of a registration must compute and move at the least, and how far from that it is.

Products inside the networks are counted as they happen, in the process that is timed. What the rest needs is worked
out from sizes: a blur as the taps that are not zero, the search as the displacements of cells that hold lung, images
and fields as bytes read and written once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import SimpleITK as sitk
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook

from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.encoder import FEATURE_WIDTHS, SEARCH_SIZE
from NePhiCore.image_io import read_volume
from NePhiCore.lung_cells import LungCells
from NePhiCore.matching import COUPLINGS, STAGES, resized
from NePhiCore.preprocessing import CubeImage, place_cube, to_cube
from NePhiCore.progress import Progress
from NePhiCore.registration import register
from NePhiCore.settings import RegistrationSettings

from .cases import BenchmarkPair
from .machine import Machine

FLOAT, HU, MASK = 4, 2, 1  # bytes
CHANNELS = len(FEATURE_WIDTHS) + 1
_COST_OPERATIONS = 5  # difference, square, clamp, weight, sum
_COUPLING_OPERATIONS = 9  # a product of four terms, and the comparison
_SHORTEST_S = 1e-3
_BACKWARD = {"latent": 2, "all": 3}  # forward passes that forward and backward take, with frozen weights and without


@dataclass(frozen=True)
class StepCount:
    """Counts of one step, and what it took.

    Attributes:
        operations: floating-point additions and multiplications.
        moved_bytes: read and written at the least.
        seconds: of CPU time, with one thread: hardly changed by what else the machine does.
    """

    name: str
    operations: float
    moved_bytes: float
    seconds: float

    def floor_s(self, machine: Machine) -> float:
        return max(self.operations / machine.matmul_gflops, self.moved_bytes / machine.copy_gb_s) * 1e-9

    def ratio(self, machine: Machine) -> float:
        return self.seconds / self.floor_s(machine)


def count_steps(pair: BenchmarkPair, settings: RegistrationSettings) -> list[StepCount]:
    """One registration in this process on one thread, counted and timed."""
    volumes = read_volume(pair.fixed, "fixed"), read_volume(pair.moving, "moving")
    with one_thread(), counted_products() as (products, steps):
        clock = _CpuClock(steps)
        result = register(*volumes, settings, progress=clock.tell)
    voxels = sum(volume.hu.size for volume in volumes)
    cubes = [_cube(*parts) for parts in zip(volumes, (result.fixed_lungs, result.moving_lungs))]
    fields = sum(field.displacement_ras_mm.nbytes for field in (result.fixed_to_moving, result.moving_to_fixed))
    operations = {
        "encoding": products["encoding"] + sum(map(feature_operations, cubes)) + sum(map(search_operations, cubes)),
        "optimisation": products["optimisation"] * _BACKWARD.get(settings.optimise, 1),
        "evaluation": products["evaluation"],
    }
    cube_bytes = 2 * SEARCH_SIZE**3 * FLOAT * len(cubes)
    moved = {
        "lungs": voxels * (HU + MASK),
        "preparation": voxels * (HU + MASK) + cube_bytes,
        "encoding": cube_bytes + 2 * sum(_level_bytes(stage.resolution) for stage in STAGES) * len(cubes),
        "evaluation": fields,
    }
    return [
        StepCount(name, operations.get(name, 0), moved.get(name, 0), seconds)
        for name, seconds in clock.seconds.items()
        if seconds > _SHORTEST_S
    ]


class _CpuClock:
    """CPU seconds of each step, told by the registration's own messages."""

    def __init__(self, steps: list[str]) -> None:
        self.seconds: Counter = Counter()
        self._steps, self._since = steps, time.process_time()

    def tell(self, message: Progress) -> None:
        now = time.process_time()
        self.seconds[self._steps[-1]] += now - self._since
        self._since = now
        self._steps.append(message.step)


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[1])


@contextmanager
def counted_products() -> Iterator[tuple[Counter, list[str]]]:
    """Count the operations of every layer and coordinate network, by the last name in a list of steps."""
    products, steps = Counter(), ["starting"]

    def add(module: nn.Module, inputs, output) -> None:
        if isinstance(module, (nn.Linear, nn.Conv3d)):
            points = output.numel() // module.weight.shape[0]
            products[steps[-1]] += 2 * module.weight.numel() * points
        elif isinstance(module, CoordinateNetwork):
            products[steps[-1]] += 2 * _weights_a_point(module) * (output.numel() // 3)

    handle = register_module_forward_hook(add)
    try:
        yield products, steps
    finally:
        handle.remove()


def _weights_a_point(network: CoordinateNetwork) -> int:
    """What a point is multiplied with: the network does it itself, without calling its layers."""
    layers = [*network.synthesis, *network.modulation, network.output]
    return network.frequencies.numel() + sum(layer.weight.numel() for layer in layers)


def _cube(volume, lungs) -> CubeImage:
    return to_cube(volume, lungs, place_cube(lungs, volume.geometry), (SEARCH_SIZE,) * 3)


def feature_operations(cube: CubeImage) -> int:
    """Three blurs for each width, along three axes, at every resolution of the search."""
    size = cube.image.shape[2]
    taps = sum(2 * int(3 * width + 0.5) + 1 for width in FEATURE_WIDTHS)
    resolutions = {stage.resolution for stage in STAGES if stage.resolution >= 0.5}
    return sum(3 * 3 * 2 * taps * round(size * share) ** 3 for share in resolutions)


def search_operations(cube: CubeImage) -> int:
    """Every displacement of every cell that holds lung, and the agreement of neighbours."""
    operations = 0
    for stage in STAGES:
        lungs = resized(cube.lungs, stage.resolution)
        cells = LungCells.of(F.avg_pool3d(lungs, stage.cell), stage.cell, lungs.shape[2])
        displaced = (2 * stage.radius + 1) ** 3 * len(cells.index)
        operations += displaced * stage.cell**3 * CHANNELS * _COST_OPERATIONS
        operations += displaced * (len(COUPLINGS) + 1) * _COUPLING_OPERATIONS
    return operations


def _level_bytes(resolution: float) -> int:
    return round(SEARCH_SIZE * resolution) ** 3 * CHANNELS * FLOAT
