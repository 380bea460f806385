"""Reading the pairs that `make_pairs` wrote, each time a little differently."""

from __future__ import annotations

from pathlib import Path

import torch

from NePhiCore.sampling import read_image

from .synthetic_matches import Batch, training_points

Tensor = torch.Tensor

_LUNGS = 7  # the channel of each direction's matches that holds the share of lung
_DIRECTION = 8  # channels of one direction


class PairFiles:
    """The pairs of a folder, kept in memory; files that appear later are found by `refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pairs: dict[str, dict[str, Tensor]] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._pairs)

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.pt")):
            if path.name not in self._pairs:
                self._pairs[path.name] = torch.load(path, weights_only=True)

    def batch(self, size: int, points: int, generator: torch.Generator) -> Batch:
        """`size` pairs drawn with replacement, each mirrored left to right and turned around half of the time."""
        pairs = list(self._pairs.values())
        chosen = torch.randint(len(pairs), (size,), generator=generator).tolist()
        parts = [_varied(pairs[n], torch.rand(2, generator=generator) < 0.5) for n in chosen]
        matches, forth, back = (torch.stack([part[n] for part in parts]) for n in range(3))
        lungs = matches[:, _LUNGS::_DIRECTION]
        fixed_points, moving_points = (training_points(lungs[:, n : n + 1], points, generator) for n in (0, 1))
        truth = read_image(forth, fixed_points), read_image(back, moving_points)
        return Batch(matches, (fixed_points, moving_points), truth)


def _varied(pair: dict[str, Tensor], draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Matches, forth and back in float32, perhaps seen in a mirror, perhaps with fixed and moving exchanged."""
    matches, forth, back = (pair[name].float() for name in ("matches", "forth", "back"))
    mirror, exchange = draws.tolist()
    if mirror:
        matches = _mirrored(matches, (2, 5, 10, 13))
        forth, back = _mirrored(forth, (2,)), _mirrored(back, (2,))
    if exchange:
        matches = torch.cat([matches[_DIRECTION:], matches[:_DIRECTION]])
        forth, back = back, forth
    return matches, forth, back


def _mirrored(grid: Tensor, x_components: tuple[int, ...]) -> Tensor:
    """(C, n, n, n) flipped along x, the channels that hold x components with their sign changed."""
    flipped = grid.flip(-1)
    flipped[list(x_components)] *= -1
    return flipped
