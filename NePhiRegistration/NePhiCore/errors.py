"""Everything that can go wrong, as one tree.

A message says what is wrong, what was got, what was expected and what to do.
The core raises and never prints; the command line and the Slicer module catch
``NePhiError`` once, show its message and use its ``exit_code``.
"""

from __future__ import annotations

import os
import traceback


class NePhiError(Exception):
    """Base of every error that a user can cause or cure."""

    exit_code = 2


class InvalidVolumeError(NePhiError):
    """An image, mask or pair that cannot be registered."""


class InvalidLandmarksError(NePhiError):
    """A landmark file or a pair of landmark lists that cannot be used."""


class InvalidTransformError(NePhiError):
    """A transform file or an initial transform that cannot be used."""


class ModelFileError(NePhiError):
    """A weights file that is missing, damaged, foreign or newer than this version."""


class SettingsError(NePhiError):
    """A setting out of range, or settings that contradict each other."""


class DependencyError(NePhiError):
    """An optional package that is needed here is missing or too old."""


class DeviceError(NePhiError):
    """The asked computing device is not there."""


class OutputError(NePhiError):
    """An output cannot be written; what was there before is untouched."""


class DeviceMemoryError(NePhiError):
    """Out of memory; the message names the setting to lower."""

    exit_code = 3


class OptimisationDivergedError(NePhiError):
    """The loss became NaN or infinite.

    Attributes:
        trace: the LossTrace up to the step that failed.
    """

    exit_code = 3

    def __init__(self, message: str, trace: object = None) -> None:
        super().__init__(message)
        self.trace = trace


class RegistrationCancelled(NePhiError):
    """The user stopped the run.

    Attributes:
        partial: the best result so far (RegistrationResult), or None.
    """

    exit_code = 130

    def __init__(self, message: str, partial: object = None) -> None:
        super().__init__(message)
        self.partial = partial


def reason_of(error: Exception) -> str:
    """Why one of many cases failed, in one line; an error that nobody foresaw with its kind and place."""
    foreseen = isinstance(error, NePhiError)
    reason = str(error) if foreseen else f"unexpected {type(error).__name__}: {error} ({where_raised(error)})"
    return " ".join(reason.split())


def where_raised(error: BaseException) -> str:
    """The last place in this package that an error passed, for who has to look for its cause."""
    package = os.path.dirname(__file__)
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.dirname(frame.filename) == package]
    return f"{os.path.basename(ours[-1].filename)}, line {ours[-1].lineno}" if ours else "outside this package"
