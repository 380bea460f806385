"""The browser that the tests of the report share."""

import pytest

from benchmarks.chromium import missing_program


@pytest.fixture(scope="session")
def browser():
    """A real Chromium without a window."""
    if missing := missing_program():
        pytest.skip(f"NOT TESTED HERE: the report needs a real browser and {missing} is not installed")
    from report_browser import ReportBrowser

    with ReportBrowser() as browser:
        yield browser
