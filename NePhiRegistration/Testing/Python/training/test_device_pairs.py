"""Pairs made while training: a pool that moves on, and that a resumed run finds as it was."""

import numpy as np
import pytest
import torch
from training_cases import a_subject, generators, made_pair

from NePhiCore.errors import SettingsError
from training import device_pairs
from training.device_pairs import DevicePairs

SUBJECT = a_subject(spacing_mm=20.0)


@pytest.fixture(autouse=True)
def made(monkeypatch) -> list[int]:
    """Pairs of random numbers in place of simulated ones; the list of all that were made."""
    numbers = []

    def content(encoder, subject, rng):
        numbers.append(int(rng.integers(1000)))
        return made_pair(numbers[-1])

    monkeypatch.setattr(device_pairs, "pair_content", content)
    monkeypatch.setattr(device_pairs, "POOL", 4)
    return numbers


def source(seed=0, process=0) -> DevicePairs:
    return DevicePairs([SUBJECT], None, 16, seed, process)


def test_each_step_makes_one_pair_and_forgets_one(made):
    pairs = source()
    pairs.batch(10, generators(2))
    assert len(made) == 4
    pairs.batch(11, generators(2))
    assert len(made) == 5
    pairs.batch(30, generators(2))  # steps between were drawn from other sources
    assert len(made) == 9


def test_a_run_that_is_resumed_finds_the_same_pool():
    going, resumed = source(), source()
    for step in range(6):
        last = going.batch(step, generators(3, seed=step))
    again = resumed.batch(5, generators(3, seed=5))
    assert torch.equal(last.matches, again.matches) and torch.equal(last.truth[1], again.truth[1])


@pytest.mark.parametrize("other", [{"seed": 1}, {"process": 1}])
def test_seeds_and_processes_have_pairs_of_their_own(other, made):
    source().batch(0, generators())
    source(**other).batch(0, generators())
    assert not set(made[:4]) & set(made[4:])


def test_the_origin_is_a_hash_over_the_voxels():
    changed = a_subject(spacing_mm=20.0)
    changed.scan[0, 0, 0, 0, 0] += 1
    hashes = [DevicePairs(s, None, 16, 0).origin() for s in ([SUBJECT], [a_subject(spacing_mm=20.0)], [changed])]
    assert hashes[0] == hashes[1] != hashes[2] and hashes[0]["subjects"] == 1
    assert np.unique([len(h["sha256"]) for h in hashes]).tolist() == [64]


def test_nothing_to_make_pairs_from_is_an_error():
    with pytest.raises(SettingsError, match="nothing to make pairs from"):
        DevicePairs([], None, 16, 0)
