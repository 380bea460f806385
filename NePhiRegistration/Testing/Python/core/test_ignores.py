"""Where a tool is told to look away, it is told why: on the line itself."""

import re
import tokenize

import pytest

IGNORES = re.compile(r"#\s*(noqa|type:\s*ignore|pylint:|ruff:|mypy:|codespell:)")
EXPLAINED = re.compile(r"#\s*(noqa: [A-Z]+\d+|type: ignore\[[\w-]+\]|codespell:ignore \w+) \([^)]{8,}\)$")


def unexplained(lines) -> list[str]:
    comments = [token.string for token in tokenize.generate_tokens(lines) if token.type == tokenize.COMMENT]
    return [comment for comment in comments if IGNORES.search(comment) and not EXPLAINED.search(comment)]


@pytest.mark.parametrize(
    ("comment", "is_explained"),
    [
        ("# noqa: F401 (is it there?)", True),
        ("# type: ignore[arg-type] (the stub is older)", True),
        ("# noqa: F401", False),
        ("# noqa", False),
        ("# type: ignore", False),
        ("# pylint: disable=all", False),
    ],
)
def test_what_counts_as_an_explanation(comment, is_explained):
    assert (unexplained(iter([f"import a  {comment}\n"]).__next__) == []) == is_explained


def test_every_ignore_in_the_code_says_why(repository):
    folders = ("NePhiRegistration", "training", "benchmarks", "docs", "offline_kit", ".ci")
    files = [file for folder in folders for file in sorted((repository / folder).rglob("*.py"))]
    assert len(files) > 300
    found = {}
    for file in files:
        if file.name != "test_ignores.py":
            with file.open(encoding="utf-8") as lines:
                found[file.relative_to(repository).as_posix()] = unexplained(lines.readline)
    assert {name: comments for name, comments in found.items() if comments} == {}


def test_every_rule_that_is_switched_off_has_its_reason(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1).splitlines()
    assert ignored and all("# " in line for line in ignored)
