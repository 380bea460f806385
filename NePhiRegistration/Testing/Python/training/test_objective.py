"""The two losses, against values that can be worked out by hand."""

import pytest
import torch
from training_cases import CONFIG, MATCHES_SIZE, generators

from NePhiCore.comparison import ComparedImage
from NePhiCore.model import NePhiModel
from NePhiCore.sampling import cube_grid, uniform_points
from training.batches import Batch, ImageBatch
from training.objective import CONSISTENCY_WEIGHT, MM, Objective, code_noise, image_loss, supervised_loss
from training.synthetic_matches import synthetic_batch

CODES = {batch: NePhiModel(CONFIG).empty_code(batch) for batch in (1, 2)}


def a_model(seed=0) -> NePhiModel:
    """New: both of its maps are the identity."""
    torch.manual_seed(seed)
    return NePhiModel(CONFIG)


@torch.no_grad()
def figures_of(loss, model: NePhiModel, batch) -> tuple[float, dict[str, float]]:
    total, figures = loss(model, CODES[len(batch.matches)], batch)
    return float(total), {name: float(value) for name, value in figures.items()}


class Shift(torch.nn.Module):
    """A map that adds the same to every coordinate."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, points, code):
        return torch.full_like(points, self.shift)


def shifting(forth: float, back: float) -> NePhiModel:
    model = a_model()
    model.fixed_to_moving, model.moving_to_fixed = Shift(forth), Shift(back)
    return model


def a_batch(truth: tuple[float, float], count=40) -> Batch:
    points = tuple(uniform_points(count, g, 2) for g in generators(2))
    return Batch(torch.zeros(2, 16, *(MATCHES_SIZE,) * 3), points, tuple(torch.full((2, count, 3), t) for t in truth))


def test_the_distance_is_that_to_the_truth():
    """Maps that move nothing; truths of 0.03 and 0.05 along each axis: sqrt(3) of them off, and no round trip."""
    model = a_model()
    total, figures = figures_of(supervised_loss, model, a_batch((0.03, 0.05)))
    assert total == pytest.approx(3**0.5 * 0.04, rel=1e-5)
    assert figures["error in lungs, mm"] == pytest.approx(3**0.5 * 0.04 * MM, rel=1e-5)
    assert figures["round trip, mm"] == 0


def test_the_round_trip_is_counted_beside_it():
    """Both maps right, but not inverse to each other: there and back leads 0.01 + 0.02 along each axis away."""
    model = shifting(0.01, 0.02)
    total, figures = figures_of(supervised_loss, model, a_batch((0.01, 0.02)))
    assert total == pytest.approx(CONSISTENCY_WEIGHT * 3**0.5 * 0.03, rel=1e-4)
    assert figures["round trip, mm"] == pytest.approx(3**0.5 * 0.03 * MM, rel=1e-4)


def image_batch(sign=1.0, size=20) -> ImageBatch:
    """A smooth image and the same again, or its negative."""
    grid = cube_grid((size,) * 3)
    features = torch.stack([torch.sin(3 * grid[..., 0]), torch.cos(2 * grid[..., 2])])[None]
    fixed, moving = (ComparedImage(f, grid.reshape(-1, 3), torch.full((3,), 0.1)) for f in (features, sign * features))
    points = tuple(fixed.draw(200, g) for g in generators(2))
    return ImageBatch(torch.zeros(1, 16, *(MATCHES_SIZE,) * 3), [(fixed, moving)], points, points)


@pytest.mark.parametrize(("sign", "loss"), [(1.0, 0.0), (-1.0, 2.0)])
def test_similarity_is_one_minus_the_correlation_over_both_directions(sign, loss):
    model = a_model()
    total, figures = figures_of(image_loss, model, image_batch(sign))
    assert figures["similarity loss"] == pytest.approx(loss, abs=1e-4)
    assert figures["regularity loss"] == pytest.approx(0, abs=1e-8)
    assert total == pytest.approx(loss, abs=1e-4)


def test_gradient_inverse_consistency_lets_translations_pass():
    """The gradient of the round trip minus identity is 0 for shifts; the round trip itself weighs 5 x its square."""
    model = shifting(0.01, 0.02)
    total, figures = figures_of(image_loss, model, image_batch())
    assert figures["regularity loss"] == pytest.approx(0, abs=1e-8)
    rest = total - figures["similarity loss"]
    assert rest == pytest.approx(2 * 5 * 3 * 0.03**2, rel=0.05)  # both orders, three axes


def test_maps_that_do_not_undo_each_other_are_irregular():
    model = a_model()
    torch.nn.init.normal_(model.fixed_to_moving.output.weight, std=0.05)
    _, figures = figures_of(image_loss, model, image_batch())
    assert figures["regularity loss"] > 1e-4


def test_noise_is_a_function_of_the_items_random_numbers():
    whole, part = code_noise(CONFIG, generators(3)), code_noise(CONFIG, generators(2, seed=1))
    assert whole.global_code.shape == (3, 4) and whole.local_code.shape == (3, 4, 5, 5, 5)
    assert torch.equal(whole.local_code[1:], part.local_code) and torch.equal(whole.global_code[1:], part.global_code)


def test_a_batch_that_is_trained_on_is_learnt():
    objective = Objective(a_model(), low_precision=False)
    adam = torch.optim.Adam(objective.parameters(), lr=3e-3)
    batch, noise = synthetic_batch(2, 200, MATCHES_SIZE, generators()[0]), code_noise(CONFIG, generators(2))
    losses = []
    for _ in range(60):
        total, _ = objective(batch, noise)
        adam.zero_grad()
        total.backward()
        adam.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_low_precision_is_for_the_encoder_alone():
    model = a_model()
    torch.nn.init.normal_(model.fixed_to_moving.output.weight, std=0.05)
    batch, noise = synthetic_batch(2, 50, MATCHES_SIZE, generators()[0]), code_noise(CONFIG, generators(2))
    exact, rough = (float(Objective(model, low)(batch, noise)[0].detach()) for low in (False, True))
    assert exact != rough and rough == pytest.approx(exact, rel=0.02)
