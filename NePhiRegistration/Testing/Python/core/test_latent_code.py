"""The latent code: read at points, made a leaf, frozen."""

import torch

from NePhiCore.latent_code import LatentCode, zero_code


def a_code() -> LatentCode:
    """Two global channels; two local ones on 3^3 samples: z, and 10 y + 100 x."""
    axis = torch.tensor([-1.0, 0.0, 1.0])
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return LatentCode(torch.tensor([[1.0, 2.0]]), torch.stack([z, 10 * y + 100 * x])[None])


def test_the_local_code_is_read_between_its_samples():
    points = torch.tensor([[[0.5, 0.0, 0.0], [0.0, -0.5, 0.25], [3.0, -3.0, 0.0]]])
    expected = torch.tensor([[[0.5, 0.0], [0.0, -5 + 25], [1.0, -10.0]]])
    torch.testing.assert_close(a_code().local_at(points), expected, rtol=0, atol=1e-4)


def test_an_optimiser_changes_the_leaf_and_not_what_it_was_made_from():
    code = a_code()
    leaf = code.leaf()
    assert all(part.is_leaf and part.requires_grad for part in leaf.tensors())
    optimiser = torch.optim.SGD(leaf.tensors(), lr=1.0)
    (leaf.global_code.sum() + leaf.local_code.sum()).backward()
    optimiser.step()
    for changed, before, same in zip(leaf.tensors(), a_code().tensors(), code.tensors()):
        torch.testing.assert_close(changed.detach(), before - 1)
        assert torch.equal(same, before) and not same.requires_grad


def test_a_frozen_code_has_no_gradient_and_stays_when_its_origin_changes():
    leaf = a_code().leaf()
    frozen = leaf.map(lambda part: part * 2).frozen()
    assert not any(part.requires_grad for part in frozen.tensors())
    kept = leaf.frozen()
    with torch.no_grad():
        leaf.global_code.add_(5)
    assert torch.equal(kept.global_code, a_code().global_code)


def test_a_change_is_applied_to_both_parts():
    halved = a_code().map(lambda part: part / 2)
    assert torch.equal(halved.global_code, torch.tensor([[0.5, 1.0]]))
    assert torch.equal(halved.local_code, a_code().local_code / 2)


def test_tensors_are_the_code_itself():
    code = a_code()
    assert code.tensors()[0] is code.global_code and code.tensors()[1] is code.local_code


def test_the_code_of_zeros_has_the_sizes_asked_for():
    code = zero_code((3, 5), 4, batch=2)
    assert code.global_code.shape == (2, 3) and code.local_code.shape == (2, 5, 4, 4, 4)
    assert not any(part.any() for part in code.tensors())
