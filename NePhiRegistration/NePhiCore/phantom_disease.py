"""Diseased places in the phantom's lungs, of which it is known what they do: Disease."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ball:
    """A ball of lung, where it lies at inhale: RAS mm."""

    centre_ras_mm: tuple[float, float, float]
    radius_mm: float

    def holds(self, points_ras_mm: torch.Tensor) -> torch.Tensor:
        """(N,) bool for inhale points (N, 3)."""
        return (points_ras_mm - points_ras_mm.new_tensor(self.centre_ras_mm)).square().sum(-1) < self.radius_mm**2


@dataclass(frozen=True)
class Disease:
    """What is not as in a healthy lung. The motion is that of the healthy one.

    Attributes:
        emphysema: balls in which most of the tissue is gone.
        trapped_air: balls from which no air goes out: lighter than healthy lung, at exhale as at inhale.
        emphysema_density, trapped_air_density: share of the density of healthy lung.
    """

    emphysema: tuple[Ball, ...] = ()
    trapped_air: tuple[Ball, ...] = ()
    emphysema_density: float = 0.15
    trapped_air_density: float = 0.5

    def density(
        self,
        parenchyma: torch.Tensor,
        rest: torch.Tensor,
        determinant: torch.Tensor | float,
        points_ras_mm: torch.Tensor,
    ) -> torch.Tensor:
        """(N,) density of everything in a scan.

        Args:
            parenchyma, rest: (N,) densities of healthy lung at inhale, and of what does not breathe.
            determinant: (N,) volume at inhale over that in the scan, or 1.
            points_ras_mm: (N, 3) inhale points.
        """
        density = parenchyma * determinant + rest
        for ball in self.trapped_air:
            trapped = self.trapped_air_density * (parenchyma + rest)
            density = torch.where(ball.holds(points_ras_mm), trapped, density)
        for ball in self.emphysema:
            density = torch.where(ball.holds(points_ras_mm), self.emphysema_density * density, density)
        return density


HEALTHY = Disease()
