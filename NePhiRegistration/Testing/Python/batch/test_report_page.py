"""The page as a file: whole, self-contained, and deaf to what texts in it pretend to be."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from benchmarks.random_batches import HOSTILE, HOSTILE_REASON, random_rows, write_batch
from NePhiBatch.report_page import PAGE, write_report
from NePhiCore.errors import OutputError


def page_of(output: Path) -> str:
    assert write_report(output) == output / PAGE
    return (output / PAGE).read_text(encoding="utf-8")


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> str:
    """The page of a batch with a hostile case."""
    rows = [*random_rows(9), {"case": HOSTILE, "status": "failed", "reason": HOSTILE_REASON}]
    return page_of(write_batch(tmp_path_factory.mktemp("hostile"), rows))


def test_every_case_is_in_the_page_once(hostile):
    data = data_of(hostile)
    assert [case["name"] for case in data["cases"]] == [*(f"case-{n:04d}" for n in range(1, 10)), HOSTILE]
    assert sorted(data["order"]) == list(range(10))
    assert data["order"][0] == 9


def test_texts_stay_texts(hostile):
    assert hostile.count("<script") == hostile.count("</script>") == 2
    assert HOSTILE not in hostile
    case = data_of(hostile)["cases"][9]
    assert case["reason"] == HOSTILE_REASON.replace("/home/mary/DOE JOHN/", "")


def test_no_folder_of_the_disk_is_in_the_page(hostile, tmp_path):
    assert "/mary" not in hostile and "DOE" not in hostile
    output = write_batch(tmp_path / "study of DOE", random_rows(3))
    page = page_of(output)
    assert str(tmp_path) not in page and "DOE" not in page


def test_only_the_pages_own_script_and_style_may_run(hostile):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', hostile)[1]
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", hostile, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_the_page_asks_no_network(hostile):
    addresses = set(
        re.findall(r"\b(?:https?:)?//[\w.]+\.\w+[^\s\"']*", re.sub(r"^\s*//.*$", "", hostile, flags=re.MULTILINE))
    )
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|script|img)[^>]+(src|href)=\"(?!data:)", hostile)


def test_missing_figures_are_null(hostile):
    data = data_of(hostile)
    place = [column["name"] for column in data["columns"]].index("tre_mean_mm")
    assert data["cases"][2]["figures"][place] is None
    assert data["cases"][9]["figures"] == [None] * len(data["columns"])


def test_settings_that_all_share_are_there_once(tmp_path):
    data = data_of(page_of(write_batch(tmp_path, random_rows(40))))
    assert len(data["settings"]) == 1
    assert {case["settings"] for case in data["cases"][:9]} == {0}


def test_a_batch_without_cases_has_a_page(tmp_path):
    assert data_of(page_of(write_batch(tmp_path, [])))["cases"] == []


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path):
    output = write_batch(tmp_path, random_rows(1))
    (output / "cases/case-0001/report.json").write_text('{"warnings": [{"code": "folds", "message": "\\ud800"}]}')
    assert data_of(page_of(output))["cases"][0]["warnings"] == ["?"]


def test_the_old_page_stays_where_the_results_are_gone(tmp_path):
    output = write_batch(tmp_path, random_rows(1))
    before = page_of(output)
    (output / "results.csv").unlink()
    with pytest.raises(OutputError):
        write_report(output)
    assert (output / PAGE).read_text(encoding="utf-8") == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_told_apart(hostile, theme):
    """At least 4.5 : 1 for text, as WCAG 2.1 AA asks."""
    blocks = re.findall(r":root \{(.*?)\}", hostile, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[theme == "dark"]))
    grounds = ("ground", "surface", "hover")
    pairs = [(text, ground) for text in ("text", "quiet", "accent", "bad", "odd", "note", "good") for ground in grounds]
    for text, ground in [*pairs, ("bad", "bad-ground"), ("odd", "odd-ground")]:
        assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}"


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [value / 255 for value in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))
