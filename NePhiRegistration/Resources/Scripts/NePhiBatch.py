"""Registers a cohort inside 3D Slicer, without its windows:

    Slicer --no-main-window --no-splash --python-script NePhiBatch.py -- MANIFEST OUTPUT [options]

The arguments are those of `nephi batch`; `-- --help` lists them. Exit code: 0 all cases are done; 1 some failed, or
rows of the manifest are bad; 2 an input, setting or output that cannot be used; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the batch; returns the exit code."""
    module_folder = str(Path(__file__).resolve().parents[2])
    if module_folder not in sys.path:
        sys.path.insert(0, module_folder)
    from NePhiBatch.batch_arguments import parse_script_arguments
    from NePhiCore.cli import main as nephi
    from NePhiRegistrationLib.dependencies import torch_problem

    problem = torch_problem()
    if problem is not None:
        print(f"nephi: error: {problem}", file=sys.stderr, flush=True)
        return 2
    return nephi(arguments, parse_script_arguments)


def exit_code(arguments: list[str]) -> int:
    """Of the batch, whatever happens in it: without one Slicer would never end."""
    try:
        return main(arguments)
    except SystemExit as ending:  # --help
        return ending.code if isinstance(ending.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException:
        traceback.print_exc()
        return 1


def end_application(code: int) -> None:
    """A script that just ends leaves Slicer running. Nothing may follow this: the end is only asked for here."""
    try:
        import slicer
    except ImportError:
        sys.exit(code)  # Python on its own
    if not hasattr(slicer, "app"):
        sys.exit(code)  # Slicer's libraries without the application
    slicer.util.exit(code)


# The worker's process loads this file too, under another name.
if __name__ == "__main__":
    end_application(exit_code(sys.argv[1:]))
