"""The latent code: read at points, made a leaf, frozen."""

import torch

from NePhiCore.latent_code import LatentCode, RefinedCode, zero_code


def a_code() -> LatentCode:
    """Two global channels; two local ones on 3^3 samples: z, and 10 y + 100 x."""
    axis = torch.tensor([-1.0, 0.0, 1.0])
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    return LatentCode(torch.tensor([[1.0, 2.0]]), torch.stack([z, 10 * y + 100 * x])[None])


def test_the_local_code_is_read_between_its_samples():
    points = torch.tensor([[[0.5, 0.0, 0.0], [0.0, -0.5, 0.25], [3.0, -3.0, 0.0]]])
    expected = torch.tensor([[[0.5, 0.0], [0.0, -5 + 25], [1.0, -10.0]]])
    torch.testing.assert_close(a_code().local_at(points), expected, rtol=0, atol=1e-4)


def test_a_refined_code_begins_as_its_start():
    refined = RefinedCode(a_code())
    assert all(torch.equal(*parts) for parts in zip(refined.code().tensors(), a_code().tensors()))


def test_changes_of_all_grids_add_up_and_the_start_stays():
    """Constant changes on every grid: their sum everywhere."""
    code = a_code()
    refined = RefinedCode(code)
    with torch.no_grad():
        for amount, part in zip((1.0, 10.0, 20.0, 30.0), refined.tensors()):
            part.add_(amount)
    changed = refined.code()
    torch.testing.assert_close(changed.global_code, code.global_code + 1)
    torch.testing.assert_close(changed.local_code, code.local_code + 60)
    assert all(torch.equal(*parts) for parts in zip(code.tensors(), a_code().tensors()))


def test_grids_halve_corner_on_corner_down_from_the_code_s_own():
    refined = RefinedCode(zero_code((2, 3), 21))
    assert [tuple(part.shape) for part in refined.tensors()] == [(1, 2), *((1, 3, n, n, n) for n in (6, 11, 21))]
    with torch.no_grad():
        refined.changes[0][..., 0, 0, 0] = 1.0
    local = refined.code().local_code
    assert torch.equal(local[..., 0, 0, 0], torch.ones(1, 3))
    torch.testing.assert_close(local[..., 2, 0, 0], torch.full((1, 3), 0.5))
    assert not local[..., 4:, :, :].any()


def test_every_change_has_a_gradient():
    refined = RefinedCode(zero_code((2, 3), 9))
    code = refined.code()
    (code.global_code.sum() + code.local_code.sum()).backward()
    assert all(part.is_leaf and part.grad.abs().max() > 0 for part in refined.tensors())


def test_a_frozen_code_has_no_gradient_and_stays_when_its_origin_changes():
    leaf = a_code().map(lambda part: part.detach().clone().requires_grad_(True))
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
