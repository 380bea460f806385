"""The arguments of the command `nephi`. Standard library only, so that --help and mistakes are answered at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from NePhiBatch.batch_arguments import add_batch, add_report

from . import __version__
from .cli_options import EXIT_CODES, MODEL_HELP, Commands, Options, Parser, add_method, add_running

DATASETS = ("dirlab-copdgene", "dirlab-4dct", "csv")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of one call; ``command`` is the command's name.

    Args:
        arguments: None takes the program's own.

    Raises:
        SettingsError: an unknown option, a missing or malformed value.
    """
    parser = Parser(
        prog="nephi",
        description="Register inhale and exhale lung CT with NePhi.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nephi {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_register(commands)
    _add_demo(commands)
    _add_evaluate(commands)
    add_batch(commands)
    add_report(commands)
    return parser.parse_args(arguments)


def _add_register(commands: Commands) -> None:
    parser = commands.add_parser(
        "register",
        help="register two CT images",
        description="Find where each point of the fixed image lies in the moving image, and the other way round.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    image = "CT in HU: NRRD, NIfTI, MetaImage or a folder of DICOM slices"
    parser.add_argument("fixed", type=Path, metavar="FIXED", help=image)
    parser.add_argument("moving", type=Path, metavar="MOVING", help=f"{image}; it is warped onto the fixed one")
    _add_outputs(parser.add_argument_group("outputs"))
    _add_inputs(parser.add_argument_group("further inputs"))
    add_method(parser.add_argument_group("method; each option overrides the preset"))
    running = parser.add_argument_group("running")
    running.add_argument(
        "--keep-partial", action="store_true", help="after an interrupt write the best result so far instead of nothing"
    )
    add_running(running)


def _add_outputs(group: Options) -> None:
    def add(name: str, metavar: str, text: str, required: bool = False) -> None:
        group.add_argument(name, type=Path, metavar=metavar, required=required, help=text)

    add("--transform", "T.h5", "the map from fixed to moving points, LPS mm, as ITK and 3D Slicer read it", True)
    add("--inverse-transform", "I.h5", "the map from moving to fixed points")
    add("--warped", "W.nii.gz", "the moving image on the fixed grid")
    add("--jacobian", "J.nii.gz", "determinant of the map's Jacobian on the fixed grid; at most 0 where it folds")
    add("--report", "R.json", "how it went, in numbers")
    add("--overview", "O.png", "picture of both images, the result and the determinant (needs matplotlib)")
    maps = "ventilation_jacobian, ventilation_density and parametric_response .nii.gz, and figures in the report"
    add("--lung-function", "DIR", f"folder for the lung function maps of an inhale and exhale pair: {maps}")


def _add_inputs(group: Options) -> None:
    def add(name: str, metavar: str, text: str) -> None:
        group.add_argument(name, type=Path, metavar=metavar, help=text)

    add("--fixed-mask", "M", "lungs of the fixed image, on its grid; found in the CT if not given")
    add("--moving-mask", "M", "lungs of the moving image, on its grid; found in the CT if not given")
    add("--initial-transform", "T0", "a map from fixed to moving points to start from")
    add("--fixed-landmarks", "F.csv", "landmarks that the report measures; they do not steer")
    add("--moving-landmarks", "M.csv", "the same landmarks in the moving image, in the same order")
    add("--model", "FILE", MODEL_HELP)
    which = "which image is at inhale, for --lung-function; the one with the larger lungs if not given"
    group.add_argument("--inhale", choices=("fixed", "moving"), help=which)


def _add_demo(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="make a breathing phantom, register it and compare with the truth",
        description="Make a digital thorax whose breathing is known everywhere, register exhale to inhale, and write "
        "images, transforms, report and overview.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", required=True, help="folder for the results; made if missing"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="another patient and another breath (default 0)")
    parser.add_argument("--model", type=Path, metavar="FILE", help=MODEL_HELP)
    add_running(parser)


def _add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="register all pairs of a data set and measure the results",
        description="Register pair after pair and measure each: landmark error, folds, smoothness, inverse "
        "consistency, seconds, memory. The results are a table here, results.csv and settings.json.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="FOLDER_OR_CSV",
        help="DIR-Lab COPDGene or 4DCT as handed out, unpacked; or a CSV with columns fixed, moving and, if wanted, "
        "name, fixed_mask, moving_mask, fixed_landmarks, moving_landmarks: files, relative to the CSV",
    )
    what = parser.add_argument_group("data and results")
    what.add_argument("--output", type=Path, metavar="DIR", required=True, help="folder for them; made if missing")
    what.add_argument("--dataset", choices=DATASETS, help="what FOLDER_OR_CSV is; found out if not given")
    what.add_argument("--fixed", choices=("exhale", "inhale"), help="the fixed image of DIR-Lab (default exhale)")
    what.add_argument("--cases", type=_case_numbers, metavar="1,2,5", help="only these: DIR-Lab's numbers, CSV rows")
    what.add_argument("--plot", action="store_true", help="draw results.png too (needs matplotlib)")
    what.add_argument("--keep-transforms", action="store_true", help="write the two maps of each case too")
    what.add_argument("--model", type=Path, metavar="FILE", help=MODEL_HELP)
    add_method(parser.add_argument_group("method; each option overrides the preset"))
    add_running(parser.add_argument_group("running"))


def _case_numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"expected different numbers like 1,2,5, got {text!r}")
    return numbers
