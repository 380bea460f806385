"""PyTorch, which Slicer does not bring along: whether it is there, and how to get it. Nothing is imported to find out.

Importing torch takes seconds and can fail, so the panel must not do it: what is asked here is what is installed.
Whether that loads is found out by the child process, or by `register` in Slicer's own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys

from NePhiCore.errors import DependencyError

OLDEST_TORCH = (2, 6)
REQUIREMENT = ">=" + ".".join(map(str, OLDEST_TORCH))
_EXTENSION = "the PyTorch extension"


def torch_problem() -> str | None:
    """What is wrong with PyTorch as it is installed, in one sentence, or None."""
    version = _installed_version()
    if version is None:
        return f"PyTorch is not installed. Install it with {_EXTENSION}, module PyTorch Utils."
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_TORCH:
        return (
            f"PyTorch {version} is too old, {'.'.join(map(str, OLDEST_TORCH))} or newer is needed. Uninstall it in the "
            "module PyTorch Utils, restart Slicer and install it again."
        )
    return None


def ensure_torch() -> None:
    """Offer to install PyTorch where it is missing; called when a registration begins, never earlier.

    Raises:
        DependencyError: PyTorch is not there afterwards; the message says what to do.
    """
    problem = torch_problem()
    if problem is None:
        return
    if _installed_version() is None:
        _install()
        problem = torch_problem()
    if problem is not None:
        raise DependencyError(problem)


def _install() -> None:
    """Let the PyTorch extension install PyTorch; it asks the user first."""
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            f"PyTorch is not installed, and neither is {_EXTENSION} that installs it. Install {_EXTENSION} in the "
            "Extensions Manager and restart Slicer."
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=REQUIREMENT)
    except Exception as error:
        raise DependencyError(
            f"PyTorch could not be installed ({type(error).__name__}: {error}). Check the network, then try again in "
            "the module PyTorch Utils."
        ) from error
    if torch is None:
        raise DependencyError("PyTorch was not installed, and nothing can be registered without it.")
    importlib.invalidate_caches()


def _installed_version() -> str | None:
    """The version of the installed PyTorch, read without importing it."""
    if "torch" not in sys.modules and importlib.util.find_spec("torch") is None:
        return None
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None
