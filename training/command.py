"""How the commands of this package end when something is wrong."""

from __future__ import annotations

from collections.abc import Callable

from NePhiCore.errors import NePhiError


def run_command(main: Callable[[], None]) -> None:
    """Run a command; what its user can cure is said in a line, without a traceback."""
    try:
        main()
    except NePhiError as error:
        raise SystemExit(f"error: {error}") from None
