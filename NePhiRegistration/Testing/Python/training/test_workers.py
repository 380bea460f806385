"""Processes that share a batch."""

import pytest
import torch

from NePhiCore.errors import SettingsError
from training.workers import Workers

CPU = torch.device("cpu")


def test_the_items_of_a_step_are_shared_without_rest():
    shares = [Workers(rank, 3, CPU).items(12) for rank in range(3)]
    assert [item for share in shares for item in share] == list(range(12))


@pytest.mark.parametrize("batch", [0, 4])
def test_a_batch_that_cannot_be_shared_is_an_error(batch):
    with pytest.raises(SettingsError, match="take a multiple"):
        Workers(0, 3, CPU).items(batch)


def test_one_process_needs_no_others(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    workers = Workers.join("cpu")
    assert (workers.rank, workers.count, workers.device) == (0, 1, CPU)
    assert workers.agree(True) and not workers.agree(False)
    module = torch.nn.Linear(1, 1)
    assert workers.share(module) is module
    workers.wait()
    workers.leave()
