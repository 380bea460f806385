"""Reading Markdown as far as the documents of this repository use it: headings, links, tables, blocks of code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")


class Block(NamedTuple):
    """Text between fences."""

    language: str
    text: str


def code_blocks(text: str) -> list[Block]:
    return [Block(*found) for found in _FENCED.findall(text)]


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return _FENCED.sub("", text)


def links(text: str) -> list[str]:
    """Targets of links and pictures, as they are written; code between backticks has none."""
    return re.findall(r"\]\(([^()\s]+)\)", _CODE.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """What `#...` may name in a document: GitHub's slugs of its headings, the second of a name with -1 and so on."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        count = sum(other == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", other) is not None for other in found)
        found.add(f"{slug}-{count}" if count else slug)
    return found


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    level = len(start.group(1))
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(text, start.end())
    return text[start.end() : end.start() if end else None]


def tables(text: str) -> list[list[list[str]]]:
    """Tables as rows of cells, their heads first."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", prose(text), re.MULTILINE)
    rows = [[_cells(line) for line in table.strip().split("\n")] for table in found]
    return [[head, *body] for head, _rule, *body in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def documents_in(repository: Path) -> list[Path]:
    """Every document of the repository that people read."""
    beside_code = repository / "NePhiRegistration/Resources/Models/MODEL_CARD.md"
    return sorted([*repository.glob("*.md"), *(repository / "docs").glob("*.md"), beside_code])
