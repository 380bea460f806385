"""No link in a document leads nowhere; those that leave the repository are well formed."""

import re
from pathlib import Path
from urllib.parse import unquote

import markdown_reading as markdown
import pytest

REPOSITORY = Path(__file__).resolve().parents[4]
DOCUMENTS = markdown.documents_in(REPOSITORY)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in markdown.links(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/\S*)?", link), link
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_relative_to(REPOSITORY) and target.exists(), f"{path.name}: {link}"
        if anchor:
            assert anchor in markdown.anchors(target.read_text(encoding="utf-8")), f"{path.name}: {link}"


def test_every_document_can_be_reached_from_the_readme():
    reached, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        files = (link.partition("#")[0] for link in markdown.links(path.read_text(encoding="utf-8")) if ":" not in link)
        waiting += [(path.parent / file).resolve() for file in files if file]
    assert {*DOCUMENTS} <= reached


def test_every_picture_in_docs_is_shown_somewhere():
    shown = set()
    for path in DOCUMENTS:
        shown |= {(path.parent / link).resolve() for link in markdown.links(path.read_text(encoding="utf-8"))}
    assert {*(REPOSITORY / "docs").rglob("*.png")} <= shown


def test_what_the_checks_read():
    text = "# A `b` (c), d!\n## E\n## E\n```sh\n# no heading\n[x](no_link)\n```\n`[y](no)` [z](f.md#g) ![p](i/j.png)\n"
    assert markdown.anchors(text) == {"a-b-c-d", "e", "e-1"}
    assert markdown.links(text) == ["f.md#g", "i/j.png"]
    assert markdown.code_blocks(text) == [("sh", "# no heading\n[x](no_link)\n")]
    assert markdown.tables("| a | b\\|c |\n|---|---|\n| 1 | 2 |\n") == [[["a", "b\\|c"], ["1", "2"]]]
