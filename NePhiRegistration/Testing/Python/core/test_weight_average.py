"""The mean of an optimisation's last states."""

import pytest
import torch

from NePhiCore.weight_average import SMALLEST_SHARE, WeightAverage


def test_the_first_states_count_equally():
    tensor = torch.zeros(2)
    average = WeightAverage([tensor])
    for value in (1.0, 2.0, 6.0):
        tensor.fill_(value)
        average.add()
    average.apply()
    torch.testing.assert_close(tensor, torch.full((2,), 3.0))


def test_later_a_state_counts_less_the_older_it_is():
    tensor = torch.zeros(1)
    average = WeightAverage([tensor])
    for _ in range(100):
        average.add()
    tensor.fill_(1.0)
    average.add()
    average.apply()
    assert float(tensor) == pytest.approx(SMALLEST_SHARE)


def test_without_a_state_nothing_changes_and_gradients_stay_out_of_it():
    leaf = torch.ones(3, requires_grad=True)
    average = WeightAverage([leaf])
    average.apply()
    assert leaf.tolist() == [1, 1, 1]
    average.add()
    average.apply()
    assert leaf.is_leaf and leaf.requires_grad and leaf.grad is None


def test_noise_averages_out():
    generator = torch.Generator().manual_seed(0)
    tensor = torch.zeros(1000)
    average = WeightAverage([tensor])
    for _ in range(200):
        tensor.copy_(torch.randn(1000, generator=generator))
        average.add()
    average.apply()
    assert float(tensor.std()) < 0.2
