"""Adam against the same steps by hand and against torch's own."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import NePhiCore
from NePhiCore.adam import Adam


def tensors(seed=0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator).requires_grad_(True) for shape in ((3,), (2, 4), (5, 1, 2))]


def valley(parts) -> torch.Tensor:
    """Narrow along some directions, wide along others."""
    return sum((10.0**n * (p - n).square()).sum() for n, p in enumerate(parts))


def step(adam, loss, parts, factor=1.0) -> None:
    adam.next_step(factor)
    adam.move(torch.autograd.grad(loss, parts, allow_unused=True))


def test_the_first_step_is_the_learning_rate_against_the_gradient_whatever_its_size():
    """The running means are corrected for their start at zero: m / sqrt(v) is the sign of the gradient."""
    x = torch.tensor([1.0, -2.0, 300.0], requires_grad=True)
    step(Adam([([x], 0.1)]), (0.5 * x.square()).sum(), [x])
    torch.testing.assert_close(x.detach(), torch.tensor([0.9, -1.9, 299.9]))


def test_the_second_step_by_hand():
    """Gradients 1 and 3, betas 0.9 and 0.5: m = 0.09 + 0.3, v = 0.25 + 4.5; corrected by 0.19 and 0.75."""
    x = torch.zeros(1, requires_grad=True)
    adam = Adam([([x], 0.1)], betas=(0.9, 0.5))
    for slope in (1.0, 3.0):
        step(adam, (slope * x).sum(), [x])
    second = (0.09 + 0.3) / 0.19 / ((0.25 + 4.5) / 0.75) ** 0.5
    assert x.item() == pytest.approx(-0.1 * (1 + second), rel=1e-6)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.98)])
def test_it_goes_where_torchs_own_goes(betas):
    """Two groups, rates that change, a hundred steps."""
    ours, theirs = tensors(), tensors()
    adam = Adam([(ours[:1], 0.1), (ours[1:], 0.01)], betas=betas)
    groups = [{"params": theirs[:1], "base": 0.1}, {"params": theirs[1:], "base": 0.01}]
    torchs = torch.optim.Adam(groups, lr=0.0, betas=betas)
    start = valley(ours).item()
    for number in range(100):
        factor = 1 / (1 + 0.05 * number)
        step(adam, valley(ours), ours, factor)
        for group in torchs.param_groups:
            group["lr"] = group["base"] * factor
        torchs.zero_grad()
        valley(theirs).backward()
        torchs.step()
    assert valley(ours).item() < 0.8 * start
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_tensor_without_a_gradient_stays_where_it_is():
    moved, left = tensors()[:2]
    before = left.detach().clone()
    step(Adam([([moved, left], 0.1)]), moved.sum(), [moved, left])
    assert torch.equal(left, before)


def test_a_group_may_be_empty():
    (x, *_) = tensors()
    before = x.detach().clone()
    step(Adam([([x], 0.1), ([], 0.1)]), x.sum(), [x])
    assert not torch.equal(x, before)


def test_its_state_is_all_that_a_move_changes():
    """Put back, the same gradient leads to the same place again."""
    parts = tensors()
    adam = Adam([(parts[:1], 0.1), (parts[1:], 0.01)])
    step(adam, valley(parts), parts)
    slopes = torch.autograd.grad(valley(parts), parts)
    before = [tensor.detach().clone() for tensor in adam.state()]
    places = []
    for _ in range(2):
        with torch.no_grad():
            for tensor, value in zip(adam.state(), before):
                tensor.copy_(value)
        adam.move(slopes)
        places.append([part.detach().clone() for part in parts])
    assert not torch.equal(places[0][0], before[0])
    for one, other in zip(*places):
        assert torch.equal(one, other)


def test_it_brings_no_compiler_along():
    code = (
        "import sys, torch; from NePhiCore.adam import Adam; x = torch.ones(2, requires_grad=True)\n"
        "adam = Adam([([x], 0.1)]); adam.next_step(); adam.move(torch.autograd.grad(x.sum(), [x]))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    root = Path(NePhiCore.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120).returncode == 0
