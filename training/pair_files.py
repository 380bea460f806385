"""Reading the pairs that `make_pairs` wrote, each time a little differently."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import torch

from NePhiCore.errors import SettingsError
from NePhiCore.sampling import read_image

from .batches import Batch, training_points

Tensor = torch.Tensor
Pair = dict[str, Tensor]  # "matches" (16, n, n, n); "forth", "back" (3, 48, 48, 48); float16

PAIR_FILES, MADE_FILES = "pair-*.pt", "made-*.json"
_LUNGS = 7  # the channel of each direction's matches that holds the share of lung
_DIRECTION = 8  # channels of one direction


class PairFiles:
    """The pairs of a folder, kept in memory; files that appear later are found by `refresh`.

    Args:
        points: a pair and direction.
        matches_size: what the model's encoder expects.

    Raises:
        SettingsError: there is no pair in the folder, or one for another encoder.
    """

    def __init__(self, folder: Path, points: int, matches_size: int) -> None:
        self.folder, self.points, self.matches_size = folder, points, matches_size
        self._pairs: dict[str, Pair] = {}
        self._hashes: dict[str, str] = {}
        self.refresh()
        if not self._pairs:
            raise SettingsError(
                f"{folder} holds no pairs ({PAIR_FILES}). Make some: python -m training.make_pairs --out {folder}"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def refresh(self) -> None:
        for path in sorted(self.folder.glob(PAIR_FILES)):
            if path.name not in self._pairs:
                data = path.read_bytes()
                self._pairs[path.name] = self._checked(path, torch.load(io.BytesIO(data), weights_only=True))
                self._hashes[path.name] = hashlib.sha256(data).hexdigest()

    def _checked(self, path: Path, pair: Pair) -> Pair:
        size = pair["matches"].shape[-1]
        if size != self.matches_size:
            raise SettingsError(
                f"{path} has matches of {size} samples a side, this encoder reads {self.matches_size}. Make pairs anew."
            )
        return pair

    def batch(self, step: int, generators: list[torch.Generator]) -> Batch:
        """A pair for each generator, drawn with replacement, by name."""
        names = sorted(self._pairs)
        chosen = [names[int(torch.randint(len(names), (), generator=g, device=g.device))] for g in generators]
        return varied_batch([self._pairs[name] for name in chosen], self.points, generators)

    def origin(self) -> dict[str, object]:
        """What was read: how many files, one hash over all of theirs, and what `make_pairs` says of them."""
        together = "".join(f"{name} {digest}\n" for name, digest in sorted(self._hashes.items()))
        made = [json.loads(path.read_text()) for path in sorted(self.folder.glob(MADE_FILES))]
        return {"files": len(self), "sha256": hashlib.sha256(together.encode()).hexdigest(), "made": made}


def varied_batch(pairs: list[Pair], points: int, generators: list[torch.Generator]) -> Batch:
    """Each pair mirrored left to right and turned around half of the time, with points and the truth at them."""
    return Batch.of([_item(pair, points, generator) for pair, generator in zip(pairs, generators)])


def _item(pair: Pair, points: int, generator: torch.Generator) -> Batch:
    device = generator.device
    mirror, exchange = (torch.rand(2, generator=generator, device=device) < 0.5).tolist()
    matches, forth, back = varied(
        *(pair[name].to(device).float() for name in ("matches", "forth", "back")), mirror, exchange
    )
    lungs = matches[None, _LUNGS::_DIRECTION]
    drawn = tuple(training_points(lungs[:, side : side + 1], points, generator) for side in (0, 1))
    return Batch(matches[None], drawn, (read_image(forth[None], drawn[0]), read_image(back[None], drawn[1])))


def varied(matches: Tensor, forth: Tensor, back: Tensor, mirror: bool, exchange: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Matches, forth and back of a pair seen in a mirror, with fixed and moving exchanged, or both."""
    if mirror:
        matches = mirrored_matches(matches)
        forth, back = _mirrored(forth, (2,)), _mirrored(back, (2,))
    if exchange:
        matches = exchanged_matches(matches)
        forth, back = back, forth
    return matches, forth, back


def mirrored_matches(matches: Tensor) -> Tensor:
    """(HEAD_INPUTS, n, n, n) of the images seen in a mirror."""
    return _mirrored(matches, (2, 5, 10, 13))


def exchanged_matches(matches: Tensor) -> Tensor:
    """(HEAD_INPUTS, n, n, n) with fixed and moving exchanged."""
    return torch.cat([matches[_DIRECTION:], matches[:_DIRECTION]])


def _mirrored(grid: Tensor, x_components: tuple[int, ...]) -> Tensor:
    """(C, n, n, n) flipped along x, the channels that hold x components with their sign changed."""
    flipped = grid.flip(-1)
    flipped[list(x_components)] *= -1
    return flipped
