"""Breathing as a map that cannot fold, with exact determinant and inverse: BreathingMotion.

The map from exhale to inhale is a chain of updates of one coordinate each. Its determinant is the
product of theirs, each positive by construction; its inverse undoes them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from .coordinate_updates import Bell, CoordinateUpdate, Ramp, Term, Waves, split_update
from .errors import SettingsError

Points = TypeVar("Points", np.ndarray, torch.Tensor)
_NO_WINDOW = float("inf")
# Small enough for the processor's cache: a million points take a third of the time.
_POINTS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class BreathingMotion:
    """A smooth one-to-one map between the points of an exhale and an inhale scan.

    All methods take RAS mm points (..., 3), a NumPy array (computed in float64) or a
    floating point torch tensor (computed in its dtype, on its device), and answer in kind.

    Attributes:
        updates: the chain from exhale to inhale, in the order of application.
        offset_ras_mm: (x, y, z) mm added to exhale points first: how the patient lay differently.
    """

    updates: tuple[CoordinateUpdate, ...]
    offset_ras_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def exhale_to_inhale(self, points_ras_mm: Points) -> Points:
        """Where in the inhale scan the tissue at these exhale points is: (..., 3) RAS mm."""
        return self.exhale_to_inhale_with_determinant(points_ras_mm)[0]

    def inhale_to_exhale(self, points_ras_mm: Points) -> Points:
        """The inverse of ``exhale_to_inhale``, (..., 3) RAS mm: to 1e-6 mm in float64, to rounding in float32."""
        return _answer_in_kind(points_ras_mm, self._backward)[0]

    def determinant_exhale_to_inhale(self, points_ras_mm: Points) -> Points:
        """det of the exhale -> inhale map (...) at exhale points: local volume at inhale over that at exhale."""
        return self.exhale_to_inhale_with_determinant(points_ras_mm)[1]

    def exhale_to_inhale_with_determinant(self, points_ras_mm: Points) -> tuple[Points, Points]:
        """The inhale points (..., 3) and the determinant (...) in one pass."""
        points_inhale_ras_mm, determinant = _answer_in_kind(points_ras_mm, self._forward)
        return points_inhale_ras_mm, determinant

    def _forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, y, z = (points + points.new_tensor(self.offset_ras_mm)).unbind(-1)
        columns, determinant = (x, y, z), torch.ones_like(x)
        for update in self.updates:
            columns, factor = update.apply(columns)
            determinant = determinant * factor
        return torch.stack(columns, -1), determinant

    def _backward(self, points: torch.Tensor) -> tuple[torch.Tensor]:
        x, y, z = points.unbind(-1)
        columns = x, y, z
        for update in reversed(self.updates):
            columns = update.invert(columns)
        return (torch.stack(columns, -1) - points.new_tensor(self.offset_ras_mm),)


def random_breathing(
    seed: int | np.random.Generator,
    lungs_box_ras_mm: np.ndarray,
    strength: float = 1.0,
    max_offset_mm: float = 30.0,
) -> BreathingMotion:
    """Draw a motion like that of the DIR-Lab COPDGene patients, for lungs that fill a box at inhale.

    Args:
        seed: a whole number or a NumPy generator; the same seed and box give the same motion.
        lungs_box_ras_mm: (2, 3) lowest and highest corner of the inhale lungs.
        strength: scale of all motion but the offset; 1 is what patients do, 0 is none.
        max_offset_mm: longest whole-patient offset between the scans.

    Raises:
        SettingsError: a box without extent, or a negative strength or offset.
    """
    low, high = np.asarray(lungs_box_ras_mm, float)
    if not ((high > low).all() and strength >= 0 and max_offset_mm >= 0):
        raise SettingsError(
            "Breathing needs a lung box with low < high, and strength and offset of at least 0; "
            f"got {low.tolist()} to {high.tolist()}, strength {strength}, offset {max_offset_mm} mm."
        )
    rng = np.random.default_rng(seed)
    depth, spread, lift = strength * rng.uniform(0.75, 1.25) * rng.uniform((24, 7, 5), (54, 12, 20))
    terms_of_axis = [
        (2, _diaphragm_terms(rng, low, high, depth)),
        (0, _rib_cage_terms(low, high, spread)),
        (1, _chest_lift_terms(low, high, lift)),
        *((axis, _local_terms(rng, low, high, strength)) for axis in (2, 0, 1)),
    ]
    updates = tuple(update for axis, terms in terms_of_axis for update in split_update(axis, terms))
    return BreathingMotion(updates, _random_offset(rng, max_offset_mm))


def _diaphragm_terms(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, depth: float) -> tuple[Term, ...]:
    """The base goes down by about depth, the apex stays; each dome goes its own way, spine and wall less than both."""
    size, centre = high - low, (low + high) / 2
    half_way = low[2] + rng.uniform(0.36, 0.48) * size[2]
    slope_width = -rng.uniform(0.11, 0.15) * size[2]
    everywhere = Ramp(-0.5 * depth, (0.0, 0.0, half_way), (_NO_WINDOW, _NO_WINDOW, slope_width))
    domes = (
        Ramp(
            -rng.uniform(0.5, 0.8) * depth,
            (centre[0] + side * 0.25 * size[0], centre[1] - rng.uniform(0, 0.15) * size[1], half_way),
            (0.2 * size[0], 0.5 * size[1], slope_width),
        )
        for side in (-1, 1)
    )
    return everywhere, *domes


def _rib_cage_terms(low: np.ndarray, high: np.ndarray, spread: float) -> tuple[Term, ...]:
    """Both sides go outwards by up to spread, the lower ribs more: spread * tanh, as a rising and a falling ramp."""
    size, centre = high - low, (low + high) / 2
    middle = (centre[0], centre[1], low[2] + 0.3 * size[2])
    return tuple(Ramp(s * spread, middle, (s * 0.2 * size[0], _NO_WINDOW, 0.6 * size[2])) for s in (1, -1))


def _chest_lift_terms(low: np.ndarray, high: np.ndarray, lift: float) -> tuple[Term, ...]:
    """The anterior wall goes forwards by lift, the posterior wall stays."""
    size, centre = high - low, (low + high) / 2
    middle = (centre[0], centre[1], low[2] + 0.4 * size[2])
    return (Ramp(lift, middle, (_NO_WINDOW, 0.22 * size[1], 0.6 * size[2])),)


def _local_terms(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, strength: float) -> tuple[Term, ...]:
    """Random bells that fade towards the apex, a wave train of many lengths, and the beat of the heart."""
    size = high - low
    bells = []
    for _ in range(8):
        place = rng.uniform(0, 1, 3)
        widths = rng.uniform(0.09, 0.25) * size[2] * rng.uniform(0.8, 1.25, 3)
        amplitude = strength * 6.0 * (1 - 0.8 * place[2]) * rng.normal()
        bells.append(Bell(amplitude, low + place * size, widths))
    heart = low + np.array([0.42, 0.6, 0.3]) * size
    bells.append(Bell(strength * rng.uniform(-3, 3), heart, (22, 22, 22)))
    return *bells, _random_waves(rng, strength)


def _random_waves(rng: np.random.Generator, strength: float) -> Waves:
    """Eight sines of 50 to 160 mm in random directions, each with the same steepness."""
    wavelengths = np.exp(rng.uniform(np.log(50), np.log(160), 8))
    directions = rng.normal(size=(8, 3))
    vectors = 2 * np.pi * directions / (np.linalg.norm(directions, axis=1) * wavelengths)[:, None]
    amplitudes = strength * 0.03 * rng.normal(size=8) * wavelengths / (2 * np.pi)
    phases = rng.uniform(0, 2 * np.pi, 8)
    return Waves(tuple(amplitudes), vectors, tuple(phases))


def _random_offset(rng: np.random.Generator, max_offset_mm: float) -> tuple[float, float, float]:
    offset = rng.normal(size=3) * (5, 8, 12)
    return tuple((offset * min(1.0, max_offset_mm / np.linalg.norm(offset))).tolist())


def _answer_in_kind(
    points_ras_mm: Points, function: Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
) -> tuple[Points, ...]:
    """function's results for points (..., 3), tensors for a tensor, arrays for an array."""
    if isinstance(points_ras_mm, torch.Tensor):
        return function(points_ras_mm)
    flat = torch.tensor(np.reshape(points_ras_mm, (-1, 3)), dtype=torch.float64)
    results = zip(*(function(chunk) for chunk in flat.split(_POINTS_AT_ONCE)), strict=True)
    leading = np.shape(points_ras_mm)[:-1]
    return tuple(torch.cat(parts).numpy().reshape(leading + parts[0].shape[1:]) for parts in results)
