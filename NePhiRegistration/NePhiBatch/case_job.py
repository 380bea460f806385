"""What a worker is handed. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from NePhiCore import __version__
from NePhiCore.settings import RegistrationSettings

from .case_record import Recipe
from .manifest import BatchCase


@dataclass(frozen=True)
class CaseJob:
    """All that a worker needs to know, wherever it runs.

    Attributes:
        case: what to register.
        settings: how.
        model: weights file, or None for those that came with the package.
        weights_sha256: what the weights file must be.
        output: folder of the results; the worker must see it, as it must see the files of the case.
        token: of the run.
        time_limit_s: how long it may take; None for no limit.
        version: of the program that sends the job.
    """

    case: BatchCase
    settings: RegistrationSettings
    model: Path | None
    weights_sha256: str
    output: Path
    token: str
    time_limit_s: float | None = None
    version: str = __version__

    def recipe(self) -> Recipe:
        return Recipe.of(self.case, self.settings, self.weights_sha256)
