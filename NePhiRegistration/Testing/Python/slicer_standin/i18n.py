"""Translation: English stays English. Follows Base/Python/slicer/i18n.py."""

from __future__ import annotations


def tr(text: str) -> str:
    """The text in the user's language."""
    return text


def translate(context: str, text: str) -> str:
    """The text in the user's language, looked up in a context."""
    return text
