"""What the core says in the command line's words, in the panel's."""

from __future__ import annotations

import re

_LABELS = {
    "device": "Device",
    "fixed-mask": "Fixed mask",
    "grid-spacing": "Grid spacing",
    "inhale": "Inhale scan",
    "initial-transform": "Initial transform",
    "iterations": "Instance optimization iterations",
    "model": "Model",
    "moving-mask": "Moving mask",
    "overview": "Compare",
    "preset": "Preset",
    "regularity-sampling-ratio": "Regularity sampling ratio",
    "similarity-sampling-ratio": "Similarity sampling ratio",
}
_OPTION = re.compile(rf"--({'|'.join(_LABELS)})( (?:\d+|auto|cpu|cuda|mps|fast|balanced|accurate)\b)?")


def in_panel_words(text: str) -> str:
    """The same text with the panel's labels where it names options of the command."""
    return _OPTION.sub(lambda match: f'"{_LABELS[match[1]]}{":" if match[2] else ""}{match[2] or ""}"', text)
