"""Tables of the documents: one whose rows differ in cells is shown as lines of text."""

import re

import pytest

from NePhiCore.model_store import default_model_path

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs"]


def tables(text: str) -> list[list[str]]:
    """The rows of each table; what is fenced is no table."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [rows.splitlines() for rows in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)]


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) - 1


def test_a_row_with_a_cell_too_many_is_seen():
    (table,) = tables("words\n| a | b |\n|---|\n| `c|d` | e |\n")
    assert [cells(row) for row in table] == [2, 1, 2]


@pytest.mark.parametrize("where", DOCUMENTS)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(repository, where):
    place = repository / where
    files = sorted(place.rglob("*.md")) if place.is_dir() else [place]
    files += [default_model_path().parent / "MODEL_CARD.md"] if place.is_dir() else []
    uneven = [
        (file.name, row)
        for file in files
        for table in tables(file.read_text(encoding="utf-8"))
        for row in table
        if cells(row) != cells(table[0])
    ]
    assert uneven == []
