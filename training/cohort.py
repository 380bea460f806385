"""A source of training steps: real inhale/exhale pairs of a cohort, without a truth; their images are compared.

The table is described in `cohort_files`. Reading and matching a pair takes long and has no weights, so its result
is kept in a file. `train` prepares what is not yet there; to do it beforehand, or in several processes at once:

    python -m training.cohort cohort.csv --cache prepared/ [--part 0 --parts 4]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from torch.utils.data import Dataset

from NePhiCore.comparison import ComparedImage
from NePhiCore.encoder import Encoder
from NePhiCore.errors import NePhiError, SettingsError
from NePhiCore.model import ModelConfig, NePhiModel

from .batches import ImageBatch
from .cohort_files import prepared, read_cohort
from .command import run_command
from .pair_files import exchanged_matches, mirrored_matches

Tensor = torch.Tensor

_REGULARITY_SHARE = 8  # one point of regularity for so many of similarity


class Cohort(Dataset):
    """The real pairs of a CSV, each prepared once and read from its file as it is drawn.

    An item is a dictionary: "matches" (HEAD_INPUTS, n, n, n); "fixed" and "moving", each the parts of a
    ComparedImage; "sha256" of the pair's files. Tensors in half precision, on the CPU.

    Args:
        table: see `read_cohort`.
        cache: folder of the prepared pairs.
        points: to compare the images at, a pair and direction.
    """

    def __init__(self, table: Path, cache: Path, points: int) -> None:
        self.pairs, self.points = read_cohort(table), points
        self.files = [cache / f"{pair.key}.pt" for pair in self.pairs]
        cache.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> dict:
        return torch.load(self.files[number], weights_only=True)

    def prepare(self, encoder: Encoder, part: int = 0, parts: int = 1) -> None:
        """Make the files that are not there yet; with several parts, this process' share of them.

        Raises:
            SettingsError: pairs that cannot be used, after all others are done.
        """
        bad = []
        for number, (pair, path) in enumerate(zip(self.pairs, self.files)):
            if number % parts == part and not path.exists():
                print(f"preparing pair {number + 1} of {len(self)}", flush=True)
                try:
                    content = prepared(pair, encoder)
                except NePhiError as error:
                    bad.append(f"{pair.fixed}, {pair.moving}: {error}")
                    continue
                whole = path.with_suffix(f".part{part}")
                torch.save(content, whole)
                whole.rename(path)
        if bad:
            raise SettingsError("Some pairs cannot be used; correct or delete their lines.\n" + "\n".join(bad))

    def batch(self, step: int, generators: list[torch.Generator]) -> ImageBatch:
        """A pair for each generator, drawn with replacement."""
        return ImageBatch.of([self._item(generator) for generator in generators])

    def origin(self) -> dict[str, object]:
        """How many pairs, and one hash over the hashes of all of their files."""
        together = hashlib.sha256()
        for path in self.files:  # mapped: the images themselves are not read
            together.update("".join(torch.load(path, weights_only=True, mmap=True)["sha256"]).encode())
        return {"pairs": len(self), "sha256": together.hexdigest()}

    def _item(self, generator: torch.Generator) -> ImageBatch:
        device = generator.device
        content = self[int(torch.randint(len(self), (), generator=generator, device=device))]
        matches, images = _varied(content, generator)
        regularity_count = max(8, self.points // _REGULARITY_SHARE)
        return ImageBatch(
            matches,
            [images],
            tuple(image.draw(self.points, generator) for image in images),
            tuple(image.draw_for_regularity(regularity_count, generator) for image in images),
        )


def _varied(content: dict, generator: torch.Generator) -> tuple[Tensor, tuple[ComparedImage, ComparedImage]]:
    """A prepared pair on the generator's device: mirrored, turned around, half of the time each."""
    device = generator.device
    mirror, exchange = (torch.rand(2, generator=generator, device=device) < 0.5).tolist()
    matches = content["matches"].to(device).float()
    images = [ComparedImage(*(part.to(device).float() for part in content[side])) for side in ("fixed", "moving")]
    if mirror:
        matches, images = mirrored_matches(matches), [mirrored_image(image) for image in images]
    if exchange:
        matches, images = exchanged_matches(matches), images[::-1]
    return matches[None], tuple(images)


def mirrored_image(image: ComparedImage) -> ComparedImage:
    """Left and right exchanged."""
    candidates = image.candidates_norm * image.candidates_norm.new_tensor([1, 1, -1])
    return ComparedImage(image.features.flip(-1), candidates, image.cell_norm)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    Cohort(options.table, options.cache, 1).prepare(NePhiModel(ModelConfig()).encoder, options.part, options.parts)


if __name__ == "__main__":
    run_command(main)
