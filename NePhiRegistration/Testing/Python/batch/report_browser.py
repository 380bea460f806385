"""The report as a user meets it: a real browser, and what its tests ask of the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.chromium import Chromium

_PATIENCE_SECONDS = 60


class ReportBrowser(Chromium):
    """A browser that knows the parts of the report."""

    def open_report(self, page: Path, address: str = "", width: int = 1440, height: int = 900) -> None:
        """A page that remembers nothing of the one before."""
        self.resize(width, height)
        self.prefer(prefers_color_scheme="light")
        self.open("about:blank")
        self.messages()
        self.open(page.as_uri() + address)
        self.drawn()  # what is pressed before a page has a frame may go nowhere

    def open_on_phone(self, page: Path, address: str = "") -> None:
        self.open_report(page, address)
        self.resize(390, 844, is_phone=True)

    def text(self, selector: str) -> str | None:
        """What is written in the first element found; None where there is none."""
        return self.run("return document.querySelector(arguments[0])?.innerText.trim() ?? null", selector)

    def attribute(self, selector: str, name: str) -> str | None:
        return self.run("return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name)

    def count(self, selector: str) -> int:
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def type(self, text: str) -> None:
        """Write into the filter, as if by hand, instead of what stands there."""
        self.run("const box = document.getElementById('query'); box.focus(); box.select()")
        self.press(*text)

    def names(self) -> list[str]:
        """The cases in the rows that exist, from the top."""
        return self.run("return [...document.querySelectorAll('#table tbody a')].map((link) => link.textContent)")

    def cells(self, title: str) -> list[str]:
        """What a column says in the rows that exist."""
        script = """
            const heads = [...document.querySelectorAll('#table thead th')];
            const place = heads.findIndex((head) => head.innerText.startsWith(arguments[0]));
            const rows = [...document.querySelectorAll('#table tbody tr[data-index]')];
            return rows.map((row) => row.cells[place].innerText)
        """
        return self.run(script, title)

    def sort_by(self, title: str) -> str | None:
        """Press a heading; returns its aria-sort after that."""
        script = """
            const heads = () => [...document.querySelectorAll('#table thead th')];
            const find = () => heads().find((head) => head.innerText.startsWith(arguments[0]));
            find().querySelector('button').click();
            return find().getAttribute('aria-sort')
        """
        return self.run(script, title)

    def focused(self) -> str:
        return self.run("return document.activeElement.textContent")

    def shown_case(self) -> str | None:
        """The case that is open, if one is."""
        return self.text("dialog[open] h2")

    def shows_case(self, name: str | None) -> bool:
        """Whether this case, or none, is open within a moment: a new address is followed after the key that asks."""
        self.wait_for(lambda: self.shown_case() == name, f"case {name}")
        return True

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, f"waited {_PATIENCE_SECONDS} s for {what}"
            time.sleep(0.05)

    def drawn(self) -> None:
        """Wait until what was asked for is on the screen."""
        self.run_later("requestAnimationFrame(() => requestAnimationFrame(done))")
