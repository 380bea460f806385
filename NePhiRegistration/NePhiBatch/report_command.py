"""`nephi report`: the page of a folder of results, written again from what lies there."""

from __future__ import annotations

from argparse import Namespace

from NePhiCore.cli_run import Run
from NePhiCore.errors import NePhiError

from .report_page import write_report


def report_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi report`` ask for; returns what to print.

    Raises:
        NePhiError: no folder of results, or the page cannot be written.
    """
    if not (options.output / "results.csv").is_file():
        raise NePhiError(f"{options.output} holds no results.csv. Give the --output of nephi batch.")
    return f"Written: {write_report(options.output)}"
