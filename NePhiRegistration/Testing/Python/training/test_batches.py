"""Random numbers of a step, points, and batches put together."""

import torch
from training_cases import generators

from training.batches import Batch, ImageBatch, generators_of, training_points


def first_draws(items: range, step=5, seed=1) -> list[float]:
    return [float(torch.rand((), generator=g)) for g in generators_of(seed, step, items)]


def test_an_item_draws_the_same_whichever_process_it_falls_to():
    assert first_draws(range(2)) + first_draws(range(2, 4)) == first_draws(range(4))


def test_items_steps_and_seeds_draw_differently():
    draws = first_draws(range(3)) + first_draws(range(3), step=6) + first_draws(range(3), seed=2)
    assert len(set(draws)) == 9


def test_three_quarters_of_the_points_lie_in_cells_of_lung():
    lungs = torch.zeros(1, 1, 9, 9, 9)
    lungs[..., 6:] = 1  # cells whose centres have x of at least 0.5
    points = training_points(lungs, 400, generators()[0])
    assert points.shape == (1, 400, 3) and points.abs().max() <= 1
    assert (points[0, 100:, 2] >= 0.5 - 0.125 - 1e-6).all()
    assert (points[0, :100, 2] < 0.3).float().mean() > 0.4


def test_batches_of_one_become_one_batch():
    items = [Batch(torch.full((1, 2), n), *((torch.full((1, 3), n), torch.full((1, 4), -n)),) * 2) for n in (1.0, 2.0)]
    batch = Batch.of(items)
    assert batch.matches[:, 0].tolist() == [1, 2]
    assert batch.points[0][:, 0].tolist() == [1, 2] and batch.truth[1][:, 0].tolist() == [-1, -2]


def test_batches_of_images_keep_each_pair_with_its_points():
    items = [ImageBatch(torch.zeros(1, 2), [(n, -n)], *((torch.full((1, 3), n),) * 2,) * 2) for n in (1.0, 2.0)]
    batch = ImageBatch.of(items)
    assert batch.images == [(1, -1), (2, -2)]
    assert batch.points[0][:, 0].tolist() == batch.regularity_points[1][:, 0].tolist() == [1, 2]
