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


def test_the_first_step_is_the_learning_rate_against_the_gradient_whatever_its_size():
    """The running means are corrected for their start at zero: m / sqrt(v) is the sign of the gradient."""
    x = torch.tensor([1.0, -2.0, 300.0], requires_grad=True)
    adam = Adam([{"params": [x], "lr": 0.1}])
    (0.5 * x.square()).sum().backward()
    adam.step()
    torch.testing.assert_close(x.detach(), torch.tensor([0.9, -1.9, 299.9]))


def test_the_second_step_by_hand():
    """Gradients 1 and 3, betas 0.9 and 0.5: m = 0.09 + 0.3, v = 0.25 + 4.5; corrected by 0.19 and 0.75."""
    x = torch.zeros(1, requires_grad=True)
    adam = Adam([{"params": [x], "lr": 0.1}], betas=(0.9, 0.5))
    for slope in (1.0, 3.0):
        adam.zero_grad()
        (slope * x).sum().backward()
        adam.step()
    second = (0.09 + 0.3) / 0.19 / ((0.25 + 4.5) / 0.75) ** 0.5
    assert x.item() == pytest.approx(-0.1 * (1 + second), rel=1e-6)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.98)])
def test_it_goes_where_torchs_own_goes(betas):
    """Two groups, rates that change, a hundred steps."""
    ours, theirs = tensors(), tensors()
    adams = [
        make([{"params": t[:1], "base": 0.1}, {"params": t[1:], "base": 0.01}], lr=0.0, betas=betas)
        for make, t in ((Adam, ours), (torch.optim.Adam, theirs))
    ]
    start = valley(ours).item()
    for step in range(100):
        for adam, parts in zip(adams, (ours, theirs)):
            for group in adam.param_groups:
                group["lr"] = group["base"] / (1 + 0.05 * step)
            adam.zero_grad(set_to_none=True)
            valley(parts).backward()
            adam.step()
    assert valley(ours).item() < 0.8 * start
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_tensor_without_a_gradient_stays_where_it_is():
    moved, left = tensors()[:2]
    before = left.detach().clone()
    adam = Adam([{"params": [moved, left], "lr": 0.1}])
    moved.sum().backward()
    adam.step()
    assert torch.equal(left, before)


def test_gradients_are_dropped_or_zeroed_as_asked():
    x = torch.ones(2, requires_grad=True)
    adam = Adam([{"params": [x]}])
    x.sum().backward()
    adam.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0, 0]
    adam.zero_grad()
    assert x.grad is None


def test_it_brings_no_compiler_along():
    code = (
        "import sys, torch; from NePhiCore.adam import Adam; x = torch.ones(2, requires_grad=True)\n"
        "adam = Adam([{'params': [x]}]); x.sum().backward(); adam.step(); sys.exit('torch._dynamo' in sys.modules)"
    )
    root = Path(NePhiCore.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120).returncode == 0
