"""The arguments of `nephi batch` and `nephi report`, and of the script for Slicer. Standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from NePhiCore.cli_options import MODEL_HELP, Parser, add_method, add_running
from NePhiCore.pair_list import FILE_COLUMNS

EXIT_CODES = (
    "exit code: 0 all cases are done; 1 some failed, or rows of the manifest are bad; 2 an input, setting or output "
    "that cannot be used; 130 interrupted. Whatever ends a run, the same command goes on from there."
)
_ABOUT = (
    "Register all pairs of a cohort, each once: what is done with the same inputs, settings and weights is not done "
    "again. A case that fails is noted with its reason, and the others go on."
)
_SOURCE = (
    f"manifest: a CSV with the columns case, fixed, moving and, if wanted, {', '.join(FILE_COLUMNS[2:])}, inhale: "
    "files relative to it; or a folder, with --fixed and --moving"
)
_DEFAULT_MINUTES, _LONGEST_S = "120", 1e7
_OUTPUT = "folder for the results; made if missing"


def add_batch(commands) -> None:
    """The command ``nephi batch``."""
    parser = commands.add_parser(
        "batch", help="register all pairs of a cohort", description=_ABOUT, epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("source", type=Path, metavar="MANIFEST", help=_SOURCE)
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help=_OUTPUT)
    _add_options(parser)


def add_report(commands) -> None:
    """The command ``nephi report``."""
    parser = commands.add_parser(
        "report",
        help="write the report of a batch again",
        description="Write index.html of a folder of results, from what lies in it.",
        allow_abbrev=False,
    )
    parser.add_argument("output", type=Path, metavar="DIR", help="folder of results of nephi batch")
    parser.set_defaults(quiet=True)


def parse_script_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The same as of ``nephi batch``, with the folder of the results as second argument.

    Raises:
        SettingsError: an unknown option, a missing or malformed value.
    """
    parser = Parser(prog="NePhiBatch.py", description=_ABOUT, epilog=EXIT_CODES, allow_abbrev=False)
    parser.add_argument("source", type=Path, metavar="MANIFEST", help=_SOURCE)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help=_OUTPUT)
    _add_options(parser)
    parser.set_defaults(command="batch")
    return parser.parse_args(arguments)


def _add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to register")
    what.add_argument("--retry-failed", action="store_true", help="try cases that failed before once more")
    what.add_argument("--model", type=Path, metavar="FILE", help=MODEL_HELP)
    patterns = parser.add_argument_group("files in a folder: paths below it, with {case} for the name of the case")
    for name in FILE_COLUMNS:
        option, text = f"--{name.replace('_', '-')}", f"such as '{{case}}/{name}.nii.gz'"
        patterns.add_argument(option, dest=f"{name}_pattern", metavar="PATTERN", help=text)
    add_method(parser.add_argument_group("method; each option overrides the preset"))
    _add_workers(parser.add_argument_group("workers; more than one need Dask"))
    running = parser.add_argument_group("running")
    running.add_argument(
        "--time-limit",
        type=_seconds,
        default=_DEFAULT_MINUTES,
        metavar="MINUTES",
        help=f"a case that takes longer has failed (default {_DEFAULT_MINUTES}; 0 is no limit)",
    )
    add_running(running)


def _add_workers(group) -> None:
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="processes of this machine (default 1), a GPU each"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="the workers of a Dask cluster: its scheduler's address")
    where.add_argument("--slurm", type=_count, metavar="N", help="N jobs of SLURM, a worker each")
    group.add_argument(
        "--slurm-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of dask_jobqueue.SLURMCluster: cores=4, memory=16GB, walltime=08:00:00, queue=long; repeatable",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _seconds(minutes: str) -> float | None:
    try:
        seconds = 60 * float(minutes)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"expected minutes, or 0 for no limit, got {minutes!r}")
    return seconds or None
