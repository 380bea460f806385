"""Counts against counts by hand."""

import numpy as np
import torch
from torch import nn

from benchmarks.operations import CHANNELS, counted_products, feature_operations, search_operations
from NePhiCore.coordinate_network import CoordinateNetwork
from NePhiCore.latent_code import LatentCode
from NePhiCore.matching import COUPLINGS, STAGES
from NePhiCore.preprocessing import CubeImage


def a_cube(size: int, lung: float) -> CubeImage:
    shape = (1, 1, size, size, size)
    return CubeImage(torch.zeros(shape), torch.full(shape, lung), np.eye(4))


def test_products_of_layers_are_counted_for_the_step_that_they_are_made_in():
    """5 points through 3 x 4 weights are 2 * 5 * 12; a kernel of 27 from 2 to 3 channels at 64 voxels 2 * 162 * 64."""
    with counted_products() as (products, steps):
        nn.Linear(3, 4)(torch.zeros(5, 3))
        steps.append("encoding")
        nn.Conv3d(2, 3, 3, padding=1)(torch.zeros(1, 2, 4, 4, 4))
    nn.Linear(3, 4)(torch.zeros(5, 3))
    assert products == {"starting": 120, "encoding": 20736}


def test_a_coordinate_network_counts_what_its_equations_multiply():
    """Its plain form calls its layers, all but the frequencies; what the global code adds is one for all points."""
    network = CoordinateNetwork(global_channels=2, local_channels=3, width=8, frequencies=4)
    code, points = LatentCode(torch.zeros(1, 2), torch.zeros(1, 3, 2, 2, 2)), torch.zeros(1, 5, 3)
    with counted_products() as (as_written, _):
        network(points, code)
    with counted_products() as (as_plain, _):
        network.plain(points, code)
    assert as_written["starting"] == as_plain["starting"] + 2 * 5 * 3 * 4


def test_a_blur_costs_its_taps():
    """Widths 2 and 4 have 13 and 25; three blurs of each along three axes, at full, three quarter and half size."""
    assert feature_operations(a_cube(40, 1.0)) == 3 * 3 * 2 * (13 + 25) * (40**3 + 30**3 + 20**3)


def test_a_search_costs_every_displacement_of_every_cell_with_lung():
    expected = 0
    for stage in STAGES:
        cells = (round(40 * stage.resolution) // stage.cell) ** 3
        displaced = (2 * stage.radius + 1) ** 3 * cells
        expected += displaced * stage.cell**3 * CHANNELS * 5 + displaced * (len(COUPLINGS) + 1) * 9
    assert search_operations(a_cube(40, 1.0)) == expected
    assert search_operations(a_cube(40, 0.0)) == 0
