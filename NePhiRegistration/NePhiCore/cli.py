"""The command `nephi`: the only place of the core that prints, and where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TextIO

from NePhiBatch.batch_command import batch_command
from NePhiBatch.report_command import report_command

from .cli_arguments import parse_arguments
from .cli_progress import progress_display, write_out
from .cli_run import Run
from .demo_command import demo_command
from .errors import DeviceMemoryError, NePhiError, RegistrationCancelled, where_raised
from .evaluate_command import evaluate_command
from .interruption import Interruption
from .openmp import wait_briefly
from .register_command import register_command

_COMMANDS = {
    "register": register_command,
    "demo": demo_command,
    "evaluate": evaluate_command,
    "batch": batch_command,
    "report": report_command,
}
_DEBUG_VARIABLE = "NEPHI_DEBUG"
_SOME_FAILED = 1


def main(
    arguments: Sequence[str] | None = None,
    parse: Callable[[Sequence[str] | None], Namespace] = parse_arguments,
) -> int:
    """Run the command; returns its exit code.

    Args:
        arguments: without the program's name; None takes those of the process.
        parse: reads the arguments; a program that is one of the commands has its own.
    """
    wait_briefly(os.environ)
    try:
        return _run(parse(arguments))
    except RegistrationCancelled as error:
        return _complain("interrupted", error, error.exit_code)
    except NePhiError as error:
        return _complain("error", error, error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", "Stopped at once; nothing was written.", RegistrationCancelled.exit_code)
    except MemoryError:
        message = "Out of memory. Lower --similarity-sampling-ratio, or write a coarser field (--grid-spacing 5)."
        return _complain("error", message, DeviceMemoryError.exit_code)
    except ImportError as error:
        message = f"A needed package cannot be loaded: {error}. Install it again: pip install nephi-registration."
        return _complain("error", message, NePhiError.exit_code)
    except Exception as error:
        return _report_fault(error)


def _run(options: Namespace) -> int:
    with Interruption() as interruption, progress_display(sys.stderr, options.quiet) as display:

        def say(text: str) -> None:
            display.close()
            _print(text, sys.stderr)

        run = Run(display, interruption, getattr(options, "keep_partial", False), say)
        summary = _COMMANDS[options.command](options, run)
    _print(summary, sys.stdout)
    if run.was_interrupted:
        return _complain("interrupted", "The best result so far was written.", RegistrationCancelled.exit_code)
    if run.failed:
        return _complain("error", f"Failed, for the reasons named above: {', '.join(run.failed)}.", _SOME_FAILED)
    return 0


def _complain(kind: str, message: object, exit_code: int) -> int:
    """One line on stderr, whatever the message holds."""
    _print(f"nephi: {kind}: {' '.join(map(str.strip, str(message).splitlines()))}", sys.stderr)
    return exit_code


def _report_fault(error: Exception) -> int:
    """An error that nobody foresaw: short, but enough to report it."""
    if os.environ.get(_DEBUG_VARIABLE):
        _print("".join(traceback.format_exception(error)), sys.stderr)
    message = (
        f"{type(error).__name__}: {error} ({where_raised(error)}). This is a fault of the program: please report it, "
        f"with what it prints when {_DEBUG_VARIABLE}=1 is set."
    )
    return _complain("unexpected error", message, 1)


def _print(text: str, stream: TextIO | None) -> None:
    """Print what the stream's encoding can hold; a stream that takes no more (``| head``, a full disk) loses it.

    Names of files may hold commands to the terminal: what is no letter is shown as its code.
    """
    if stream is None:
        return
    text = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )
    encoding = getattr(stream, "encoding", None) or "utf-8"  # inside 3D Slicer it has none
    write_out(stream, text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
