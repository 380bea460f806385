"""Which cases to look at first, and why, in words. Standard library only.

A figure is an outlier where it lies further from the cohort's median than 3.5 robust standard deviations (1.4826 times
the median absolute deviation, as Iglewicz and Hoaglin advise), on the side that is worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .report_cases import DONE, Case
from .report_columns import BOTH, HIGH, LOW, Column

LIMIT = 3.5
SMALLEST_COHORT = 8
_MAD_TO_DEVIATION = 1.4826
_SMALLEST_RATIO = 1e-3
# What is worse than before registration comes before every outlier.
_WORSE_THAN_BEFORE = 1e6


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        column: whose figure it is.
        text: in words.
        score: how far out it is, in robust standard deviations.
    """

    column: str
    text: str
    score: float


def findings(cases: Sequence[Case], columns: Sequence[Column]) -> list[list[Finding]]:
    """What is remarkable about each case, the worst first."""
    found: list[list[Finding]] = [[] for _ in cases]
    for column in columns:
        measured = {index: case.figures[column.name] for index, case in enumerate(cases) if column.name in case.figures}
        for index, score in _scores(column, measured).items():
            found[index].append(Finding(column.name, _in_words(column, measured[index], measured.values()), score))
        for index in measured:
            before = cases[index].figures.get(column.before)
            if before is not None and _is_worse(column, measured[index], before):
                text = f"{column.title} is worse than before registration"
                found[index].append(Finding(column.name, text, _WORSE_THAN_BEFORE))
    return [sorted(each, key=lambda finding: -finding.score) for each in found]


def order(cases: Sequence[Case], found: Sequence[Sequence[Finding]]) -> list[int]:
    """Indices of the cases: what did not end well, outliers (the furthest out first), what has warnings, the rest."""

    def place(index: int) -> tuple:
        case, remarks = cases[index], found[index]
        group = 0 if case.status != DONE else 1 if remarks else 2 if case.warnings else 3
        return group, -max((remark.score for remark in remarks), default=0.0), index

    return sorted(range(len(cases)), key=place)


def _scores(column: Column, measured: dict[int, float]) -> dict[int, float]:
    """How far out each outlier of a column is, by its index."""
    if not column.worse or len(measured) < SMALLEST_COHORT:
        return {}
    values = {index: _scaled(column, value) for index, value in measured.items()}
    middle = median(values.values())
    spread = max(_MAD_TO_DEVIATION * median(abs(value - middle) for value in values.values()), column.least)
    side = {HIGH: lambda z: z, LOW: lambda z: -z, BOTH: abs}[column.worse]
    scores = {index: side((value - middle) / spread) for index, value in values.items()}
    return {index: score for index, score in scores.items() if score > LIMIT}


def _scaled(column: Column, value: float) -> float:
    return math.log2(max(value, _SMALLEST_RATIO)) if column.is_logarithmic else value


def _is_worse(column: Column, after: float, before: float) -> bool:
    return after > before if column.worse == HIGH else after < before


def _in_words(column: Column, value: float, values: Sequence[float]) -> str:
    middle = median(values)
    side = "high" if value > middle else "low"
    return f"{column.title} {side}: {_shown(column, value)}, median {_shown(column, middle)}"


def _shown(column: Column, value: float) -> str:
    figure = f"{value:.2g}" if column.digits is None else f"{value:.{column.digits}f}"
    return f"{figure} {column.unit}".rstrip().replace("-", "\u2212")
