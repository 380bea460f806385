"""Transforms as text: whether a grid has as many numbers as it announces. ITK makes room for the grid first, whatever
its size, and where there is none it ends the whole process."""

from __future__ import annotations

import math
import re
from pathlib import Path

from .errors import InvalidTransformError
from .paths import full_suffix

_SUFFIXES = (".tfm", ".txt")
_GRID_KINDS = re.compile(r"^(BSpline|DisplacementField|.*VelocityField|.*Exponential)")
_LARGEST_FILE_BYTES = 1 << 30


def check_text_transform(path: Path, name: str) -> None:
    """Check the grids of a transform file that is text; one of another format passes.

    Raises:
        InvalidTransformError: a grid larger than the numbers that are given for it; a file too large for text.
    """
    if full_suffix(path) not in _SUFFIXES:
        return
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise InvalidTransformError(f"{name}: {path} is too large for a transform in text. Save it as .h5.")
    kind, given = "", 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, rest = line.partition(":")
            if key.strip() == "Transform":
                kind, given = rest.strip(), 0
            elif key.strip() == "Parameters":
                given = len(rest.split())
            elif key.strip() == "FixedParameters" and _GRID_KINDS.match(kind) and _nodes(rest) > max(given, 1):
                raise InvalidTransformError(
                    f"{name}: a grid in {path} announces {_nodes(rest):g} nodes and {given} numbers are given for it. "
                    "The file is damaged; save the transform again."
                )


def _nodes(fixed_parameters: str) -> float:
    """Nodes of a grid, whose size comes first; 0 where that is no size, which ITK says better."""
    try:
        size = [float(number) for number in fixed_parameters.split()[:3]]
    except ValueError:
        return 0.0
    return abs(math.prod(size)) if all(map(math.isfinite, size)) else math.inf
