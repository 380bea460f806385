"""`python -m benchmarks.report_pictures FOLDER`: pictures of the report of a cohort of phantoms, by Chromium."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from NePhiBatch.report_page import write_report

from .chromium import Chromium, missing_program
from .phantom_cohort import write_cohort

PATIENTS = 14
# A plane is the background of an element, for which no event tells that it is there.
_PICTURES_THERE = """
    const pictures = [...document.querySelectorAll(".layer")].map((layer) => {
        const picture = new Image();
        picture.src = getComputedStyle(layer).backgroundImage.slice(5, -2);
        return picture.decode();
    });
    Promise.all(pictures).finally(done)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_pictures", description=__doc__)
    parser.add_argument("folder", type=Path, help="where report.png and report_case.png go")
    parser.add_argument("--batch", type=Path, help="output of a batch that has run already")
    parser.add_argument("--case", default="patient-13", help="the case to show (default: patient-13)")
    options = parser.parse_args(arguments)
    if missing := missing_program():
        print(f"{missing} is not installed: no pictures of the report.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        output = options.batch or _phantoms_registered(Path(folder))
        draw(write_report(output), options.case, options.folder)
    return 0


def draw(page: Path, case: str, folder: Path) -> None:
    """report.png, the table, and report_case.png, one case."""
    with Chromium(width=1440, height=860) as browser:
        browser.open(page.as_uri())
        browser.picture(folder / "report.png")
        browser.open(f"{page.as_uri()}#case={case}")
        browser.run_later(_PICTURES_THERE)
        browser.picture(folder / "report_case.png")


def _phantoms_registered(folder: Path) -> Path:
    manifest, output = write_cohort(folder / "scans", PATIENTS), folder / "batch"
    command = [sys.executable, "-m", "NePhiCore", "batch", str(manifest), "--output", str(output), "--preset", "fast"]
    subprocess.run(command, check=False)  # a case that fails is part of the picture
    return output


if __name__ == "__main__":
    sys.exit(main())
