"""Every reader against files spoilt at random and files made to hurt."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .confined import FAULT, Outcome, confined
from .hostile import HOSTILE
from .samples import SAMPLES, Sample, write_samples


@dataclass
class Tally:
    """What became of the files of one kind.

    Attributes:
        kind: of ``SAMPLES``, or "made to hurt".
        verdicts: how many ended how.
        faults: input -> what was wrong.
        seconds, memory_bytes: of the worst.
    """

    kind: str
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    memory_bytes: int = 0

    def add(self, name: str, outcome: Outcome) -> None:
        self.verdicts[outcome.verdict] += 1
        self.seconds = max(self.seconds, outcome.seconds)
        self.memory_bytes = max(self.memory_bytes, outcome.memory_bytes)
        if outcome.verdict == FAULT:
            self.faults[name] = outcome.words


def fuzz(folder: Path, seed: int, inputs: int, kinds: Sequence[str] = tuple(SAMPLES)) -> Iterator[Tally]:
    """Read files spoilt at random, the same ones for the same seed; files with faults stay in the folder."""
    good = folder / "good"
    good.mkdir(parents=True)
    write_samples(good)
    for kind in kinds:
        tally = Tally(kind)
        for number in range(inputs):
            name = f"{kind}, seed {seed}, number {number}"
            tally.add(name, _read_spoilt(SAMPLES[kind], good, folder / "spoilt", random.Random(name)))
            if name in tally.faults:
                shutil.move(folder / "spoilt", folder / "faults" / name.replace(" ", "_").replace(",", ""))
        yield tally


def _read_spoilt(sample: Sample, good: Path, place: Path, draw: random.Random) -> Outcome:
    shutil.rmtree(place, ignore_errors=True)
    target = place
    if sample.folder:
        target = place / sample.folder
        shutil.copytree(good / sample.folder, target)
    else:
        place.mkdir()
    source = good / (sample.folder or "") / sample.file
    (target / sample.file).write_bytes(sample.spoil(source.read_bytes(), draw))
    return confined(partial(sample.read, target if sample.folder else target / sample.file), place)


def attack(folder: Path) -> Tally:
    """Read every file that was made to hurt."""
    tally = Tally("made to hurt")
    good = folder / "good"
    if not good.exists():
        good.mkdir(parents=True)
        write_samples(good)
    for number, (name, (make, read)) in enumerate(HOSTILE.items()):
        place = folder / "hostile" / str(number)
        place.mkdir(parents=True)
        path = make(place, good)
        outcome = confined(partial(read, path), place, seconds=60)
        if (place / "mark").exists():
            outcome = Outcome(FAULT, "its code was run", outcome.seconds, outcome.memory_bytes)
        tally.add(name, outcome)
    return tally
