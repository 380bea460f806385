"""Transforms as text: whether they are whole.

ITK takes a transform that is cut short for the identity, and of several that are not composed the first. It makes room
for a grid before it reads the numbers, whatever its size, and where there is none it ends the whole process.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from .errors import InvalidTransformError
from .paths import full_suffix

_SUFFIXES = (".tfm", ".txt")
_COMPOSITE = "Composite"
_GRID_KINDS = re.compile(r"^(BSpline|DisplacementField|.*VelocityField|.*Exponential)")
_LARGEST_FILE_BYTES = 1 << 30


def check_text_transform(path: Path, name: str) -> None:
    """Check a transform file that is text; one of another format passes.

    Raises:
        InvalidTransformError: a transform without its parameters; several that are not composed; a grid larger than
            the numbers that are given for it; a file too large for text.
    """
    if full_suffix(path) not in _SUFFIXES:
        return
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise InvalidTransformError(f"{name}: {path} is too large for a transform in text. Save it as .h5.")
    kind, given, kinds = "", 0, []
    lines = {"Parameters": 0, "FixedParameters": 0}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, rest = line.partition(":")
            key = key.strip()
            if key in lines:
                lines[key] += 1
            if key == "Transform":
                kind, given = rest.strip(), 0
                kinds.append(kind)
            elif key == "Parameters":
                given = len(rest.split())
            elif key == "FixedParameters" and _GRID_KINDS.match(kind) and _nodes(rest) > max(given, 1):
                raise InvalidTransformError(
                    f"{name}: a grid in {path} announces {_nodes(rest):g} nodes and {given} numbers are given for it. "
                    "The file is damaged; save the transform again."
                )
    simple = [kind for kind in kinds if not kind.startswith(_COMPOSITE)]
    if min(lines.values()) < len(simple):
        raise InvalidTransformError(
            f"{name}: {path} holds {len(simple)} transforms, not all of them with Parameters and FixedParameters. The "
            "file is cut short; save the transform again."
        )
    if len(simple) > 1 and not kinds[0].startswith(_COMPOSITE):
        raise InvalidTransformError(
            f"{name}: {path} holds {len(simple)} transforms that are not composed, of which ITK would take the first. "
            "Save them as one composite transform."
        )


def _nodes(fixed_parameters: str) -> float:
    """Nodes of a grid, whose size comes first; 0 where that is no size, which ITK says better."""
    try:
        size = [float(number) for number in fixed_parameters.split()[:3]]
    except ValueError:
        return 0.0
    return abs(math.prod(size)) if all(map(math.isfinite, size)) else math.inf
