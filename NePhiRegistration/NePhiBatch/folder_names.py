"""Texts without the names of folders: where data lie is nobody's business. Standard library only."""

from __future__ import annotations

import re

# A drive or a slash that begins a path, folders (of up to four words) that end in one, and then the name that stays.
_FOLDERS = re.compile(
    r"(?<![\w.)\]])(?:file://|[A-Za-z]:)?(?:[\\/]{1,2}|~[\\/])(?:[^\\/\s:*?\"<>|]+(?: [^\\/\s:*?\"<>|]+){0,3}[\\/])+"
)


def without_folders(text: str) -> str:
    """A text with every absolute path cut to its last part."""
    return _FOLDERS.sub("", text)
