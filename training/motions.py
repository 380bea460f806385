"""How the lungs of one patient move between the two scans: simulated breathing, or any smooth motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from NePhiCore.breathing_motion import random_breathing
from NePhiCore.preprocessing import MARGIN_MM
from NePhiCore.sampling import read_image

from .random_fields import inverse_at, random_fields
from .subjects import apply_matrix

Tensor = torch.Tensor
PointMap = Callable[[Tensor], Tensor]

_SMOOTH_SHARE = 0.3  # of the pairs move by a random smooth field instead of by simulated breathing
_WALL_SHARE = (0.15, 1.0)  # of the lungs' motion that the chest wall makes: they slide along the pleura


@dataclass(frozen=True)
class Motion:
    """Maps of points (N, 3), RAS mm.

    Attributes:
        exhale_to_inhale, inhale_to_exhale: the motion of the lungs; each undoes the other.
        wall_to_inhale: exhale to inhale outside the lungs, which moves less.
    """

    exhale_to_inhale: PointMap
    inhale_to_exhale: PointMap
    wall_to_inhale: PointMap


def random_motion(box_ras_mm: np.ndarray, rng: np.random.Generator, generator: torch.Generator) -> Motion:
    """Simulated breathing with a turn of the patient, or a random smooth field, over the box of the lungs (2, 3)."""
    if rng.random() < _SMOOTH_SHARE:
        forth, back, lying = _smooth(box_ras_mm, generator)
    else:
        forth, back, lying = _breathing(box_ras_mm, rng)
    share = rng.uniform(*_WALL_SHARE)
    return Motion(forth, back, lambda points: torch.lerp(lying(points), forth(points), share))


def _breathing(box_ras_mm: np.ndarray, rng: np.random.Generator) -> tuple[PointMap, PointMap, PointMap]:
    """Forth, back, and how the patient lay: the part of the motion that is the same everywhere."""
    breathing = random_breathing(rng, box_ras_mm, strength=rng.uniform(0.4, 1.4))
    turn = _turn_about(box_ras_mm.mean(0), np.radians(rng.normal(size=3) * 3))
    turn_back, shifted = np.linalg.inv(turn), turn.copy()
    shifted[:3, 3] += breathing.offset_ras_mm
    return (
        lambda points: breathing.exhale_to_inhale(apply_matrix(turn, points)),
        lambda points: apply_matrix(turn_back, breathing.inhale_to_exhale(points)),
        lambda points: apply_matrix(shifted, points),
    )


def _smooth(box_ras_mm: np.ndarray, generator: torch.Generator) -> tuple[PointMap, PointMap, PointMap]:
    field = random_fields(1, generator)
    norm_to_ras = box_to_ras(box_ras_mm[0] - MARGIN_MM, box_ras_mm[1] + MARGIN_MM)
    ras_to_norm = np.linalg.inv(norm_to_ras)

    def through(move: PointMap) -> PointMap:
        def mapped(points: Tensor) -> Tensor:
            norm = apply_matrix(ras_to_norm, points)
            return apply_matrix(norm_to_ras, move(norm.float()[None])[0].to(points))

        return mapped

    forth = through(lambda p: p + read_image(field, p))
    return forth, through(lambda p: inverse_at(field, p, 25)), lambda points: points


def box_to_ras(low_ras_mm: np.ndarray, high_ras_mm: np.ndarray) -> np.ndarray:
    """(4, 4) norm_to_ras of the cube that fills a box."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag((high_ras_mm - low_ras_mm) / 2)[:, ::-1]
    matrix[:3, 3] = (high_ras_mm + low_ras_mm) / 2
    return matrix


def _turn_about(centre: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(4, 4) of a small rotation vector, radians, about a point (Rodrigues)."""
    angle = max(float(np.linalg.norm(angles)), 1e-12)
    x, y, z = angles / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre
    return matrix
