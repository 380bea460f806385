"""The mean of an optimisation's last states."""

from __future__ import annotations

from collections.abc import Sequence

import torch

SMALLEST_SHARE = 0.03  # of the newest state: the mean looks about thirty states back


class WeightAverage:
    """A running mean of tensors (Polyak and Juditsky 1992): the noise of points drawn anew at each step averages out.

    Args:
        tensors: changed in place by an optimiser.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._tensors = list(tensors)
        self._means: list[torch.Tensor] = []
        self._states = 0

    @torch.no_grad()
    def add(self) -> None:
        """Count the present state in; the first ones equally, then the newest with SMALLEST_SHARE."""
        self._states += 1
        if self._states == 1:
            self._means = [tensor.clone() for tensor in self._tensors]
            return
        share = max(SMALLEST_SHARE, 1 / self._states)
        torch._foreach_lerp_(self._means, self._tensors, share)

    @torch.no_grad()
    def apply(self) -> None:
        """Put the mean in place of the present state; without one nothing changes."""
        for mean, tensor in zip(self._means, self._tensors):
            tensor.copy_(mean)
