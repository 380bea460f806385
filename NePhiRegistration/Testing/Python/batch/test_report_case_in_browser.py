"""A case of the report in a real Chromium: pictures, slider, flicker, maps, figures, links."""

import pytest

from benchmarks.random_batches import random_rows, write_batch, write_pictures
from NePhiBatch.report_page import write_report

# Of random_rows: case 40 is an outlier by its TRE, case 50 failed, case 3 has no landmarks.
OUTLIER, FAILED, PLAIN = "#case=case-0040", "#case=case-0050", "#case=case-0003"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write_report(write_batch(folder / "batch", random_rows(60), write_pictures(folder / "pictures")))


@pytest.fixture
def case(browser, page):
    browser.open_report(page, OUTLIER)
    yield browser
    assert browser.messages() == []


def style(browser, selector: str, name: str) -> str:
    return browser.run("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name)


def shows(browser, layer: str) -> str:
    """The file that a layer of the first plane shows."""
    return style(browser, layer, "backgroundImage").rstrip('")').rsplit("/", 1)[-1]


def is_loaded(browser, layer: str) -> bool:
    script = """
        const picture = new Image();
        picture.onload = () => done(picture.naturalWidth);
        picture.onerror = () => done(0);
        picture.src = getComputedStyle(document.querySelector('LAYER')).backgroundImage.slice(5, -2)
    """
    return browser.run_later(script.replace("LAYER", layer)) > 300


def test_an_address_opens_its_case(case):
    assert case.shown_case() == "case-0040"
    assert case.text("dialog .badge") == "outlier"
    assert case.text("dialog .remarks-of").startswith("TRE high: ")


def test_the_code_of_a_warning_leads_to_all_cases_with_it(browser, page):
    browser.open_report(page, PLAIN)
    assert browser.text("dialog .codes .code") == "not_inverse"
    browser.run("document.querySelector('dialog .codes .code').click()")
    assert browser.shown_case() is None
    assert sorted(browser.names()) == ["case-0003", "case-0028", "case-0053"]
    browser.drawn()  # the closed view gives the focus back a moment later, and would take it from the filter
    browser.type("warning:folds")
    browser.wait_for(lambda: browser.names() == [], "no case")
    assert browser.messages() == []


@pytest.mark.parametrize("address", ["#case=nobody", "#case=%ZZ", "#other", "#case="])
def test_an_address_of_no_case_opens_none(browser, page, address):
    browser.open_report(page, address)
    assert browser.shown_case() is None
    assert browser.messages() == []


def test_three_planes_are_there_before_and_after(case):
    assert case.count(".viewer .pane") == 6
    for layer in (".under", ".over", ".lungs", ".map"):
        assert is_loaded(case, layer), layer
    assert (shows(case, ".under"), shows(case, ".over"), shows(case, ".map")) == (
        "fixed.jpg",
        "warped.jpg",
        "determinant.png",
    )
    case.press("2")
    assert (shows(case, ".under"), shows(case, ".over")) == ("fixed.jpg", "moving.jpg")
    case.press("3")
    assert (shows(case, ".under"), shows(case, ".over")) == ("moving.jpg", "warped.jpg")
    assert case.attribute(".stage", "aria-label").startswith("Axial, ")


def test_each_plane_is_cut_from_its_place_in_the_picture(case):
    """The first letter of a coronal plane is R, its shape that of its box."""
    script = """
        const stages = [...document.querySelectorAll('.stage')].slice(0, 3);
        const { size, planes } = JSON.parse(document.getElementById('data').textContent).cases[39].pictures;
        return stages.map((stage, n) => {
            const { width, height } = stage.getBoundingClientRect();
            const layer = getComputedStyle(stage.querySelector('.under'));
            const [x, , w, h] = planes[n][1];
            const [across] = layer.backgroundSize.split(' ').map(parseFloat);
            const [left] = layer.backgroundPosition.split(' ').map(parseFloat);
            const whole = width * across / 100;
            const begin = (whole - width) * left / 100 - whole * x / size[0];
            return [width / height - w / h, whole * w / size[0] - width, begin];
        })
    """
    for differences in case.run(script):
        assert differences == pytest.approx([0, 0, 0], abs=1)


def test_the_slider_moves_the_border_by_mouse_and_by_keys(case):
    assert style(case, ".over", "clipPath") == "inset(0px 0px 0px 50%)"
    case.drag(".stage", 0.3)
    assert float(style(case, ".over", "clipPath").split()[-1].rstrip("%)")) == pytest.approx(80, abs=2)
    case.run("document.querySelector('input[type=range]').focus()")
    case.press("Home")
    case.press("ArrowRight", "ArrowRight")
    assert style(case, ".over", "clipPath") == "inset(0px 0px 0px 2%)"
    assert case.shown_case() == "case-0040"


def test_flicker_shows_one_image_then_the_other(case):
    case.press("f")
    seen = set()

    def both_seen():
        seen.add(style(case, ".over", "visibility"))
        return len(seen) == 2

    case.wait_for(both_seen, "both images")
    case.press("s")
    assert style(case, ".over", "visibility") == "visible"
    assert style(case, ".cut", "display") == "block"


def test_the_difference_is_computed_in_the_page(case):
    case.press("d")
    assert style(case, ".over", "mixBlendMode") == "difference"
    assert style(case, ".cut", "display") == "none"
    assert case.text(".tags") == "Difference"


def test_lungs_planes_and_maps_can_be_chosen(case):
    case.press("l")
    assert style(case, ".lungs", "display") == "none"
    case.press("p", "p")
    assert case.run("return [...document.querySelectorAll('.pane')].filter((pane) => !pane.hidden).length") == 2
    assert case.text(".pane:not([hidden]) figcaption").startswith("Coronal")
    case.click(".pane:not([hidden]) .enlarge")
    assert case.count(".pane[hidden]") == 0
    case.click("[data-value=parametric_response]")
    assert shows(case, ".map") == "parametric_response.png"
    assert "emphysema" in case.text(".legend")


def test_what_is_chosen_stays_for_the_next_case(case):
    case.press("d", "2", "l", "ArrowDown")
    case.wait_for(lambda: case.shown_case() != "case-0040", "the next case")
    assert style(case, ".over", "mixBlendMode") == "difference"
    assert shows(case, ".over") == "moving.jpg"
    assert style(case, ".lungs", "display") == "none"


def test_figures_stand_beside_their_cohort(case):
    row = "dialog .figures tr.out"
    assert case.text(f"{row} th") == "TRE"
    assert "→" in case.text(f"{row} td") and case.text(f"{row} td").endswith("mm")
    assert case.count("dialog .figures .mark") > 8
    assert case.count("dialog .histogram rect") > 5


def test_settings_times_and_files_are_there(case):
    for summary in case.run("return [...document.querySelectorAll('aside summary')].map((each) => each.click())"):
        assert summary is None
    words = case.text("dialog aside")
    assert "balanced" in words and "encoding" in words and "cpu" in words
    links = case.run("return [...document.querySelectorAll('aside a')].map((link) => link.getAttribute('href'))")
    assert links == ["cases/case-0040/report.json", "cases/case-0040/log.txt"]


def test_a_failed_case_says_why_and_has_no_figures(browser, page):
    browser.open_report(page, FAILED)
    assert browser.text("dialog .remarks-of") == "fixed: the lungs were not found"
    assert browser.text("dialog .none") == "There are no pictures of this case."
    cells = "document.querySelectorAll('aside > section .figures td:nth-child(2)')"
    values = browser.run(f"return [...{cells}].map((cell) => cell.innerText)")
    assert set(values) == {"–"}
    assert browser.messages() == []


def test_a_figure_that_was_not_measured_is_a_dash(browser, page):
    browser.open_report(page, PLAIN)
    assert browser.text("dialog .figures td:nth-child(2)") == "–"
    assert browser.messages() == []


def test_a_missing_picture_is_said(browser, tmp_path):
    output = write_batch(tmp_path / "batch", random_rows(2), write_pictures(tmp_path / "pictures"))
    page = write_report(output)
    (output / "cases/case-0001/pictures/warped.jpg").unlink()
    browser.open_report(page, "#case=case-0001")
    browser.wait_for(lambda: browser.text(".viewer .remark") == "Some pictures of this case are missing.", "the remark")
    browser.press("ArrowDown")
    browser.drawn()
    assert browser.run("return document.querySelector('.viewer .remark').hidden")


def test_on_a_phone_the_case_fits(browser, page):
    browser.open_on_phone(page, OUTLIER)
    browser.drawn()
    assert browser.run("const dialog = document.querySelector('dialog'); return dialog.scrollWidth <= 390")
    assert browser.run("return document.querySelector('.stage').getBoundingClientRect().width") > 300
    assert browser.messages() == []


@pytest.mark.parametrize("address", ["", OUTLIER])
def test_everything_that_can_be_used_has_a_name(browser, page, address):
    browser.open_report(page, address)
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    used = ("button", "link", "checkbox", "slider", "searchbox", "combobox", "img", "image", "dialog", "table")
    parts = [node for node in nodes if not node["ignored"] and node.get("role", {}).get("value") in used]
    assert len(parts) > 20
    for node in parts:
        assert node.get("name", {}).get("value"), node
