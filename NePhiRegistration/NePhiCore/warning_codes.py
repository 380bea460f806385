"""What a registration can warn of, by codes that programs may rely on. Standard library only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

# Every code of report.json, and what it says.
CODES = {
    "interrupted": "stopped by the user before its last iteration",
    "not_converged": "the optimisation ended while it still gained much, or worse than it began",
    "folds": "det J is not positive somewhere in the lungs",
    "not_inverse": "the two maps do not undo each other",
    "less_alike": "the images are less alike after registration than before",
    "other_patient": "the images are less alike than those of one patient have been found to be",
    "doubtful_place": "the header of an image places it twice, or not at all",
    "large_motion": "the lungs move further than in any pair that the model was trained on",
    "lungs_cut": "the field of view ends inside the lungs",
    "swapped": "the image said to be at inhale has the smaller lungs",
    "masks_disagree": "a lung mask marks what is no lung, or the masks mark different lungs",
    "shallow_breath": "both images are at nearly the same breathing state",
    "one_lung": "an image shows one lung only",
    "lungs_not_parted": "left and right lung could not be told apart",
    "little_parenchyma": "too little of the lungs is parenchyma in both images for lung function",
}


@dataclass(frozen=True)
class QualityWarning:
    """Something about a registration that cannot be right, or that somebody should look at.

    Attributes:
        code: one of CODES.
        message: for people; what was found, and what to do about it.
    """

    code: str
    message: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code!r} is no code of a warning: {', '.join(CODES)}.")

    def as_dict(self) -> dict[str, str]:
        """An entry of report.json."""
        return dataclasses.asdict(self)


def messages_of(entries: object) -> list[str]:
    """The messages of a report's "warnings"; what is no warning is left out, for the file may be anybody's."""
    return [entry["message"] for entry in _well_formed(entries)]


def codes_of(entries: object) -> list[str]:
    """Each code of a report's "warnings" once, in their order."""
    return list(dict.fromkeys(entry["code"] for entry in _well_formed(entries)))


def _well_formed(entries: object) -> list[dict[str, str]]:
    return [
        entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("code", "message"))
    ]
