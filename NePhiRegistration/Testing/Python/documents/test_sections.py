"""docs/architecture.md names packages and sections that are so: those of docs/modules.md, in the same order."""

import re

import markdown_reading as markdown
import pytest


@pytest.fixture(scope="module")
def architecture(repository) -> str:
    return (repository / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_sections_are_those_of_the_modules(repository, architecture):
    modules = (repository / "docs/modules.md").read_text(encoding="utf-8")
    sections = [row[0] for row in markdown.tables(markdown.section(architecture, "Sections"))[0][1:]]
    assert sections == re.findall(r"^### (.+)$", modules, re.MULTILINE)


def test_the_packages_are_there(repository, architecture):
    for row in markdown.tables(markdown.section(architecture, "Packages"))[0][1:]:
        name = row[0].strip("`/")
        assert (repository / name).exists() or (repository / "NePhiRegistration" / name).exists(), name


def test_every_step_of_the_data_names_something_that_is_there(repository, architecture):
    steps = re.findall(
        r"^\d+\. (.+?)(?=^\d+\. |\Z)", markdown.section(architecture, "The way of the data, forward only"), re.M | re.S
    )
    assert len(steps) == 10
    for module, name in re.findall(r"`([a-z_]+)\.(\w+)`", " ".join(steps)):
        source = (repository / f"NePhiRegistration/NePhiCore/{module}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(?:def |class )?{name}\b", source, re.MULTILINE), f"{module}.{name}"


def test_it_is_one_page(architecture):
    assert len(architecture.splitlines()) < 90
