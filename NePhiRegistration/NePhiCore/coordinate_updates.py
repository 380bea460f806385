"""Updates of one coordinate, p[a] += f(p), that cannot fold space: the links of BreathingMotion.

f is a sum of terms. A term is a displacement in mm along the moved axis as a function of position,
with its exact slope along that axis and an analytic bound of the slope's size. Positions are given
as columns, three tensors (...) of x, y and z in RAS mm: an update changes one of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

import torch

from .errors import SettingsError

# With slopes in [-L, L] a Newton step leaves at most 2L / (1 - L) of any error: here 2/3.
SLOPE_LIMIT = 0.25
# Near the solution a Newton step leaves about 0.01 / mm times its square: 1e-8 mm after the last.
_LAST_STEP_MM = 1e-3
# Three or four are needed; 2/3 to this power makes a metre 1e-8 mm.
_MOST_STEPS = 64
Columns = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_Kind = TypeVar("_Kind", bound="_Bump")


@dataclass(frozen=True)
class _Bump:
    """What Bell and Ramp share; q = (p - centre) / widths.

    Attributes:
        amplitude: mm.
        centre: (x, y, z) RAS mm.
        widths: (x, y, z) mm; infinite where nothing changes along an axis.
    """

    amplitude: float
    centre: tuple[float, float, float]
    widths: tuple[float, float, float]

    def __post_init__(self) -> None:
        # NumPy's scalars would take over the arithmetic with tensors.
        object.__setattr__(self, "amplitude", float(self.amplitude))
        object.__setattr__(self, "centre", tuple(map(float, self.centre)))
        object.__setattr__(self, "widths", tuple(map(float, self.widths)))

    def scaled(self: _Kind, factor: float) -> _Kind:
        return dataclasses.replace(self, amplitude=factor * self.amplitude)

    def _window(self, columns_ras_mm: Columns, axes: Iterable[int]) -> torch.Tensor:
        """amplitude * exp(-sum(q^2) / 2) over those of the axes where the width is finite."""
        finite = [a for a in axes if math.isfinite(self.widths[a])]
        squares = [((columns_ras_mm[a] - self.centre[a]) / self.widths[a]).square() for a in finite]
        if not squares:
            return torch.full_like(columns_ras_mm[0], self.amplitude)
        return self.amplitude * torch.exp(-0.5 * reduce(torch.add, squares))


class Bell(_Bump):
    """amplitude * exp(-sum(q^2) / 2)."""

    def value_and_slope(self, columns_ras_mm: Columns, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        value = self._window(columns_ras_mm, range(3))
        return value, value * (self.centre[axis] - columns_ras_mm[axis]) / self.widths[axis] ** 2

    def slope_bound(self, axis: int) -> float:
        return abs(self.amplitude / self.widths[axis]) * math.exp(-0.5)


class Ramp(_Bump):
    """amplitude * logistic(q) along the moved axis * exp(-sum(q^2) / 2) over the others.

    The width of the moved axis is the logistic's scale; negative, the ramp falls with p.
    """

    def value_and_slope(self, columns_ras_mm: Columns, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        rise = torch.sigmoid((columns_ras_mm[axis] - self.centre[axis]) / self.widths[axis])
        value = rise * self._window(columns_ras_mm, [other for other in range(3) if other != axis])
        return value, value * (1 - rise) / self.widths[axis]

    def slope_bound(self, axis: int) -> float:
        return 0.25 * abs(self.amplitude / self.widths[axis])


@dataclass(frozen=True)
class Waves:
    """sum over c of amplitudes[c] * sin(wave_vectors[c] . p + phases[c]).

    Attributes:
        amplitudes: (C,) mm.
        wave_vectors: (C, 3) radians per mm, RAS.
        phases: (C,) radians.
    """

    amplitudes: tuple[float, ...]
    wave_vectors: tuple[tuple[float, float, float], ...]
    phases: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "amplitudes", tuple(map(float, self.amplitudes)))
        object.__setattr__(self, "wave_vectors", tuple(tuple(map(float, k)) for k in self.wave_vectors))
        object.__setattr__(self, "phases", tuple(map(float, self.phases)))

    def value_and_slope(self, columns_ras_mm: Columns, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, y, z = columns_ras_mm
        value, slope = torch.zeros_like(x), torch.zeros_like(x)
        for amplitude, k, phase in zip(self.amplitudes, self.wave_vectors, self.phases, strict=True):
            angle = k[0] * x + k[1] * y + k[2] * z + phase
            value = value + amplitude * torch.sin(angle)
            slope = slope + amplitude * k[axis] * torch.cos(angle)
        return value, slope

    def slope_bound(self, axis: int) -> float:
        return sum(abs(a * k[axis]) for a, k in zip(self.amplitudes, self.wave_vectors, strict=True))

    def scaled(self, factor: float) -> Waves:
        return dataclasses.replace(self, amplitudes=tuple(factor * a for a in self.amplitudes))


Term = Bell | Ramp | Waves


@dataclass(frozen=True)
class CoordinateUpdate:
    """p[axis] += sum of terms, with |slope along axis| at most SLOPE_LIMIT.

    The Jacobian is the identity but for row ``axis``: its determinant is exactly 1 + slope.

    Raises:
        SettingsError: the terms are steeper than SLOPE_LIMIT; ``split_update`` divides them.
    """

    axis: int
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        bound = sum(term.slope_bound(self.axis) for term in self.terms)
        if not bound <= SLOPE_LIMIT * (1 + 1e-9):
            raise SettingsError(
                f"The slope of a coordinate update must be at most {SLOPE_LIMIT}, got {bound:.3g}. Use split_update."
            )

    def value_and_slope(self, columns_ras_mm: Columns) -> tuple[torch.Tensor, torch.Tensor]:
        values, slopes = zip(*(term.value_and_slope(columns_ras_mm, self.axis) for term in self.terms), strict=True)
        return sum(values), sum(slopes)

    def apply(self, columns_ras_mm: Columns) -> tuple[Columns, torch.Tensor]:
        """The moved columns and the determinant (...)."""
        value, slope = self.value_and_slope(columns_ras_mm)
        return self._with_coordinate(columns_ras_mm, columns_ras_mm[self.axis] + value), 1 + slope

    def invert(self, moved_ras_mm: Columns) -> Columns:
        """The columns that ``apply`` sends to moved_ras_mm, by Newton's method in one coordinate."""
        target, columns = moved_ras_mm[self.axis], moved_ras_mm
        for _ in range(_MOST_STEPS):
            value, slope = self.value_and_slope(columns)
            step = (columns[self.axis] + value - target) / (1 + slope)
            columns = self._with_coordinate(columns, columns[self.axis] - step)
            if bool((step.detach().abs() <= _LAST_STEP_MM).all()):
                break
        return columns

    def _with_coordinate(self, columns_ras_mm: Columns, coordinate: torch.Tensor) -> Columns:
        x, y, z = (coordinate if axis == self.axis else old for axis, old in enumerate(columns_ras_mm))
        return x, y, z


def split_update(axis: int, terms: tuple[Term, ...]) -> tuple[CoordinateUpdate, ...]:
    """The motion p[axis] += sum of terms as so many equal updates that none is steeper than SLOPE_LIMIT."""
    count = max(1, math.ceil(sum(term.slope_bound(axis) for term in terms) / SLOPE_LIMIT))
    return (CoordinateUpdate(axis, tuple(term.scaled(1 / count) for term in terms)),) * count
