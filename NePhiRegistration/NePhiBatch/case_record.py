"""case.json: what a case was made of and how it ended. Standard library only."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from NePhiCore.output_files import StagedOutputs
from NePhiCore.settings import RegistrationSettings

from .input_files import Fingerprint, current, fingerprint
from .manifest import BatchCase

RECORD_NAME = "case.json"
DONE, FAILED = "done", "failed"
# Cases that were made by another version of this are made again.
_FORMAT = 1


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a registration gives.

    Attributes:
        inputs: what each file is -> its fingerprint.
        inhale: as of a BatchCase.
        settings: without the device, which says where it is computed, not what.
        weights_sha256: of the weights file.
    """

    inputs: dict[str, Fingerprint]
    inhale: str | None
    settings: dict[str, object]
    weights_sha256: str

    @classmethod
    def of(cls, case: BatchCase, settings: RegistrationSettings, weights_sha256: str) -> Recipe:
        """The recipe of a case now; reads its inputs whole."""
        inputs = {what: fingerprint(path) for what, path in case.files.items()}
        return cls(inputs, case.inhale, settings_without_device(settings), weights_sha256)

    def now(self, case: BatchCase, settings: RegistrationSettings, weights_sha256: str) -> Recipe:
        """The recipe of the case now; inputs that show no change since this recipe are not read again."""
        unknown = Fingerprint("", None, "")
        inputs = {what: current(self.inputs.get(what, unknown), path) for what, path in case.files.items()}
        return Recipe(inputs, case.inhale, settings_without_device(settings), weights_sha256)

    def is_same(self, other: Recipe) -> bool:
        """Both give the same; an input that could not be read is the same as none."""
        mine, others = ({what: one.sha256 for what, one in r.inputs.items()} for r in (self, other))
        return (
            mine == others
            and None not in mine.values()
            and (self.inhale, self.settings, self.weights_sha256)
            == (other.inhale, other.settings, other.weights_sha256)
        )


@dataclass(frozen=True)
class CaseRecord:
    """How a case ended.

    Attributes:
        case: its name.
        status: DONE or FAILED.
        reason: why it failed, one line; "" where it is done.
        attempts: how often it was begun in the run that ended it.
        recipe: what it was made of.
        seconds: of the last attempt.
        finished: UTC, ISO 8601.
        worker: host and process that did it.
        run: token of the run.
        outputs: every other file in the folder of the case -> its size in bytes.
    """

    case: str
    status: str
    reason: str
    attempts: int
    recipe: Recipe
    seconds: float
    finished: str
    worker: str
    run: str
    outputs: dict[str, int] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it to the folder of its case, after every other file."""
        (folder / RECORD_NAME).write_text(self._as_json(), encoding="utf-8")

    def remember(self, recipe: Recipe, folder: Path) -> None:
        """Note where the same inputs lie now, so that they are not read again the next time.

        Raises:
            OutputError: it cannot be written.
        """
        if recipe != self.recipe:
            with StagedOutputs() as outputs:
                text = dataclasses.replace(self, recipe=recipe)._as_json()
                outputs.stage(folder / RECORD_NAME).write_text(text, encoding="utf-8")

    def _as_json(self) -> str:
        return json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n"

    def is_whole(self, folder: Path) -> bool:
        """Every file that belongs to it is in its folder, with its size; others may lie there too."""
        there = sizes_in(folder)
        return all(there.get(name) == size for name, size in self.outputs.items())


def read_record(folder: Path) -> CaseRecord | None:
    """The record in the folder of a case; None where there is none that this version can read."""
    try:
        content = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        if content.pop("format") != _FORMAT:
            return None
        recipe = content.pop("recipe")
        inputs = {what: Fingerprint(**one) for what, one in recipe.pop("inputs").items()}
        return CaseRecord(**content, recipe=Recipe(inputs=inputs, **recipe))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sizes_in(folder: Path) -> dict[str, int]:
    """Path in the folder of a case, with / -> bytes, of all files but the record."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / RECORD_NAME)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def settings_without_device(settings: RegistrationSettings) -> Mapping[str, object]:
    return {name: value for name, value in settings.as_dict().items() if name != "device"}
