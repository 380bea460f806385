"""Random motions with matches in error: the truth is exact, the matches are near it."""

import torch
from training_cases import MATCHES_SIZE, generators

from NePhiCore.encoder import HEAD_INPUTS, matched_displacements
from training.batches import generators_of
from training.random_fields import inverse_at, random_fields
from training.synthetic_matches import RandomMotions, synthetic_batch


def test_the_truth_is_the_field_and_its_inverse():
    batch = synthetic_batch(2, 200, MATCHES_SIZE, generators()[0])
    field = random_fields(2, generators()[0])  # what the batch draws first
    assert batch.points[0].shape == batch.truth[1].shape == (2, 200, 3)
    arrived = batch.points[0] + batch.truth[0]
    assert (inverse_at(field, arrived, 25) - batch.points[0])[arrived.abs().amax(-1) < 1].abs().max() < 3e-3
    assert torch.allclose(inverse_at(field, batch.points[1]) - batch.points[1], batch.truth[1])


def test_matches_are_in_error_by_millimetres_but_know_the_motion():
    batch = synthetic_batch(8, 100, 41, generators()[0])
    assert batch.matches.shape == (8, HEAD_INPUTS, 41, 41, 41)
    field = torch.nn.functional.interpolate(
        random_fields(8, generators()[0]), (41,) * 3, mode="trilinear", align_corners=True
    )
    found = matched_displacements(batch.matches)[0]
    in_lungs = batch.matches[:, 7] > 0.9
    error = (found - field).norm(dim=1)[in_lungs].mean() * 135
    motion = field.norm(dim=1)[in_lungs].mean() * 135
    assert 0.3 < error < 6 and error < motion / 2


def test_a_step_is_the_same_shared_among_processes():
    source = RandomMotions(MATCHES_SIZE, 40)
    whole = source.batch(3, generators_of(0, 3, range(4)))
    half = source.batch(3, generators_of(0, 3, range(2, 4)))
    assert torch.equal(whole.matches[2:], half.matches) and torch.equal(whole.truth[0][2:], half.truth[0])
