"""Adam, without what torch's own brings along.

The first use of `torch.optim` imports torch's compiler, two seconds that a registration need not wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

Tensor = torch.Tensor


class Adam:
    """Kingma and Ba 2015, algorithm 1, over groups of tensors with a learning rate each.

    A step is two calls. What changes from step to step is put on the device by `next_step`; `move` is the same
    operations on the same memory each time, so that a GPU can record them once and repeat them.

    Args:
        groups: leaf tensors, and the learning rate of each group.
        betas: how much of the running means of the gradient and of its square a step keeps.
        eps: added to the root of the latter.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Tensor], float]],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self._groups = [_Group(list(tensors), rate) for tensors, rate in groups]
        self._betas, self._eps, self._steps = betas, eps, 0

    def state(self) -> list[Tensor]:
        """Every tensor that `move` changes: those it was given and their running means."""
        return [tensor for group in self._groups for tensor in (*group.tensors, *group.means, *group.squares)]

    def next_step(self, factor: float = 1.0) -> None:
        """Say that a step follows, and by what factor its learning rates differ from those given."""
        self._steps += 1
        first, second = self._betas
        for group in self._groups:
            group.step.fill_(factor * group.rate / (1 - first**self._steps))
            group.root.fill_((1 - second**self._steps) ** 0.5)

    @torch.no_grad()
    def move(self, gradients: Sequence[Tensor | None]) -> None:
        """Move every tensor against its gradient; one without a gradient stays.

        Args:
            gradients: in the order of the tensors, group after group.
        """
        first, second = self._betas
        left = iter(gradients)
        for group in self._groups:
            states = zip(group.tensors, group.means, group.squares, left)
            known = [state for state in states if state[3] is not None]
            if not known:
                continue
            tensors, means, squares, slopes = map(list, zip(*known))
            torch._foreach_lerp_(means, slopes, 1 - first)
            torch._foreach_mul_(squares, second)
            torch._foreach_addcmul_(squares, slopes, slopes, 1 - second)
            roots = torch._foreach_sqrt(squares)
            torch._foreach_div_(roots, group.root)
            torch._foreach_add_(roots, self._eps)
            steps = torch._foreach_div(means, roots)
            torch._foreach_mul_(steps, group.step)
            torch._foreach_sub_(tensors, steps)


class _Group:
    """Tensors with one learning rate, the running means of their gradients and of the squares of those."""

    def __init__(self, tensors: list[Tensor], rate: float) -> None:
        self.tensors, self.rate = tensors, rate
        self.means = [torch.zeros_like(tensor) for tensor in tensors]
        self.squares = [torch.zeros_like(tensor) for tensor in tensors]
        device = tensors[0].device if tensors else None
        self.step, self.root = torch.zeros((), device=device), torch.ones((), device=device)
