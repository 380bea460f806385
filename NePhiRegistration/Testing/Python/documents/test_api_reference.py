"""The reference made from the docstrings: a page for each module, and no link in it that leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def pages(repository, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, repository / "docs/api_reference.py", folder]
    made = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert made.returncode == 0, made.stderr
    return folder


def test_every_module_has_a_page(repository, pages):
    for package in ("NePhiCore", "NePhiBatch"):
        modules = {path.stem for path in (repository / "NePhiRegistration" / package).glob("[!_]*.py")}
        assert modules <= {path.stem for path in (pages / package).glob("*.html")}


def test_what_the_readme_calls_is_described(pages):
    page = (pages / "NePhiCore/registration.html").read_text(encoding="utf-8")
    assert 'id="register"' in page and "Find where each point of the fixed lungs lies" in page
    page = (pages / "NePhiRegistrationLib/logic.html").read_text(encoding="utf-8")
    assert 'id="NePhiRegistrationLogic.register"' in page


def test_links_between_pages_lead_somewhere(pages):
    names: dict[Path, set[str]] = {}
    for page in pages.rglob("*.html"):
        names[page.resolve()] = set(re.findall(r' id="([^"]+)"', page.read_text(encoding="utf-8")))
    for page in names:
        markup = re.sub(r"<script.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r' href="([^"]+)"', markup):
            if re.match(r"https?:|data:", link):
                continue
            file, _, name = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target in names, f"{page.name}: {link}"
            assert not name or name in names[target], f"{page.name}: {link}"


def test_names_of_others_are_not_described_as_ours(pages):
    assert 'id="Tensor' not in (pages / "NePhiCore/adam.html").read_text(encoding="utf-8")
