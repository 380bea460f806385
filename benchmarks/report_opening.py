"""`python -m benchmarks.report_opening`: how long the report of a batch takes to open in a real Chromium."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from NePhiBatch.report_page import write_report

from .chromium import Chromium, missing_program
from .random_batches import random_rows, write_batch, write_pictures

LIMIT_SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_opening", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--runs", type=int, default=5, help="each in a new browser (default: 5)")
    options = parser.parse_args(arguments)
    if missing := missing_program():
        print(f"{missing} is not installed: nothing was measured.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder) / "pictures")
        output = write_batch(Path(folder) / "batch", random_rows(options.cases), pictures)
        started = time.perf_counter()
        page = write_report(output)
        written = time.perf_counter() - started
        runs = [opening(page) for _ in range(options.runs)]
    seconds, computing = zip(*runs)
    print(f"{options.cases} cases, written in {written:.1f} s")
    each = ", ".join(f"{value:.2f}" for value in sorted(seconds))
    print(f"opened in {median(seconds):.2f} s ({each}); limit {LIMIT_SECONDS:g} s")
    print(f"of them the page's process computes {median(computing):.2f} s")
    return 0 if median(seconds) < LIMIT_SECONDS else 1


def opening(page: Path) -> tuple[float, float]:
    """Seconds from the address to the table on the screen, and CPU seconds of the page's process until then."""
    with Chromium() as browser:
        browser.devtools("Performance.enable")
        started = time.perf_counter()
        browser.open(page.as_uri())
        browser.run_later("requestAnimationFrame(() => requestAnimationFrame(done))")
        return time.perf_counter() - started, browser.computed_seconds()


if __name__ == "__main__":
    sys.exit(main())
