"""Adam, without what torch's own brings along.

The first use of `torch.optim` imports torch's compiler, two seconds that a registration need not wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

Tensor = torch.Tensor


class Adam:
    """Kingma and Ba 2015, algorithm 1, over groups of tensors with a learning rate each.

    Attributes:
        param_groups: dicts with "params", a list of leaf tensors, and "lr", which may be changed between steps;
            other entries are the caller's own.

    Args:
        groups: the same dicts; one without "lr" gets the `lr` given.
        betas: how much of the running means of the gradient and of its square a step keeps.
        eps: added to the root of the latter.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.param_groups = [{"lr": lr, **group} for group in groups]
        self._betas, self._eps, self._steps = betas, eps, 0
        self._means = [[torch.zeros_like(p) for p in group["params"]] for group in self.param_groups]
        self._squares = [[torch.zeros_like(p) for p in group["params"]] for group in self.param_groups]
        self._roots = [[torch.zeros_like(p) for p in group["params"]] for group in self.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none or parameter.grad is None:
                    parameter.grad = None
                else:
                    parameter.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Move every tensor that has a gradient against it."""
        self._steps += 1
        first, second = self._betas
        scale = 1 / (1 - first**self._steps)
        root = (1 - second**self._steps) ** 0.5
        for group, *states in zip(self.param_groups, self._means, self._squares, self._roots):
            for parameter, mean, square, denominator in zip(group["params"], *states):
                if parameter.grad is None:
                    continue
                mean.lerp_(parameter.grad, 1 - first)
                square.mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
                torch.sqrt(square, out=denominator).div_(root).add_(self._eps)
                parameter.addcdiv_(mean, denominator, value=-group["lr"] * scale)
