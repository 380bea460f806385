"""Matrices along the axes of an image, against one sum over all three."""

import numpy as np
import pytest
import torch

from NePhiCore.axis_products import along_axes, along_axis, linear_weights


def random(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def banded(rows: int, columns: int, reach: int) -> torch.Tensor:
    """Random, zero further than `reach` from its diagonal, with a first row of zeros."""
    matrix = random(rows, columns, seed=rows)
    place = torch.arange(rows)[:, None] * (columns - 1) / (rows - 1)
    matrix[(place - torch.arange(columns)).abs() > reach] = 0
    matrix[0] = 0
    return matrix


def test_three_matrices_are_one_sum_over_the_image():
    image, matrices = random(2, 3, 4, 5, 6), [random(7, 4), random(2, 5), random(6, 6)]
    expected = torch.einsum("bcdhw,nd,mh,lw->bcnml", image, *matrices)
    torch.testing.assert_close(along_axes(image, matrices), expected)


@pytest.mark.parametrize("axis", [2, 3, 4])
@pytest.mark.parametrize(("rows", "reach"), [(64, 0), (100, 3), (130, 200)], ids=["diagonal", "banded", "full"])
def test_a_banded_matrix_taken_in_blocks_is_the_whole_matrix(axis, rows, reach):
    image = random(1, 2, 9, 8, 7).movedim(axis, -1)
    image = random(*image.shape[:-1], 90, seed=1).movedim(-1, axis)
    matrix = banded(rows, 90, reach)
    expected = (image.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    torch.testing.assert_close(along_axis(image, matrix, axis), expected)


def test_an_image_that_is_a_view_is_taken_as_it_is():
    image = random(1, 1, 40, 50, 60).transpose(2, 4)[..., ::2]
    matrix = random(80, 20)
    torch.testing.assert_close(along_axis(image, matrix, 4), image.contiguous() @ matrix.T)


def test_a_gradient_goes_back_through_the_blocks():
    image = random(1, 1, 70, 3, 2).requires_grad_(True)
    along_axis(image, banded(70, 70, 2), 2).square().sum().backward()
    expected = 2 * torch.einsum("nd,nk,bckhw->bcdhw", *[banded(70, 70, 2)] * 2, image.detach())
    torch.testing.assert_close(image.grad, expected)


def test_linear_weights_read_between_samples_and_repeat_the_last():
    samples, positions = np.random.default_rng(0).random(7), np.array([-2.0, 0, 0.25, 3, 5.9, 6, 9])
    weights = linear_weights(torch.from_numpy(positions), 7)
    np.testing.assert_allclose(weights.numpy() @ samples, np.interp(positions, np.arange(7), samples))
    assert linear_weights(torch.tensor([0.0, 4.0]), 1).tolist() == [[1], [1]]
