"""Random smooth fields: no folds, an inverse, the same for the same seed."""

import torch
from training_cases import generators

from NePhiCore.sampling import cube_grid, read_image, uniform_points
from training.random_fields import FIELD_SIZE, inverse_at, random_fields


def test_a_seed_gives_one_field_and_another_seed_another():
    first, again, other = (random_fields(1, generators(seed=seed)[0]) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.allclose(first, other)


def test_fields_move_by_centimetres_without_a_fold():
    field = random_fields(6, generators()[0])
    assert field.shape == (6, 3, *(FIELD_SIZE,) * 3)
    largest = field.norm(dim=1).flatten(1).amax(1) * 135  # a cube unit is about 135 mm
    assert largest.min() > 3 and 10 < largest.max() < 100
    mapped = cube_grid((FIELD_SIZE,) * 3) + field.movedim(1, -1)
    a, b, c = (mapped.diff(dim=d)[:, :47, :47, :47] for d in (1, 2, 3))
    assert (torch.linalg.cross(a, b) * c).sum(-1).min() > 0


def test_the_inverse_undoes_the_map():
    field, points = random_fields(4, generators()[0]), uniform_points(500, generators(seed=1)[0], 4) * 0.7
    mapped = points + read_image(field, points)
    assert (inverse_at(field, mapped, 25) - points).norm(dim=-1).max() < 2e-3
