"""The files of a cohort's pairs, and what training needs of them.

    fixed,moving,fixed_mask,moving_mask
    p001/exhale.nii.gz,p001/inhale.nii.gz,,
    p002/exhale.nii.gz,p002/inhale.nii.gz,p002/exhale-lungs.nii.gz,p002/inhale-lungs.nii.gz

Paths are relative to the CSV's folder; masks may be left out and are found then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from NePhiCore.comparison import ComparedImage
from NePhiCore.encoder import SEARCH_SIZE, Encoder
from NePhiCore.errors import SettingsError
from NePhiCore.image_io import read_mask, read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.pair_list import FILE_COLUMNS, read_pair_list
from NePhiCore.placement import place_pair
from NePhiCore.preprocessing import cube_shape, to_cube
from NePhiCore.volume import Volume, check_volume

from .batches import COARSE, SIMILARITY
from .provenance import sha256_of

Tensor = torch.Tensor

_COLUMNS = FILE_COLUMNS[:4]  # a table for `nephi evaluate` serves too; its landmarks are not looked at


@dataclass(frozen=True)
class CohortPair:
    """Files of one pair."""

    fixed: Path
    moving: Path
    fixed_mask: Path | None = None
    moving_mask: Path | None = None

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.fixed, self.moving, self.fixed_mask, self.moving_mask) if path]

    @property
    def key(self) -> str:
        """Changes with the files, cheaply: by their names, sizes and times."""
        stated = "\n".join(f"{path.resolve()} {(s := path.stat()).st_size} {s.st_mtime_ns}" for path in self.files)
        masks = f"{bool(self.fixed_mask)} {bool(self.moving_mask)}"
        return hashlib.sha256(f"{stated}\n{masks}".encode()).hexdigest()[:16]


def read_cohort(table: Path) -> list[CohortPair]:
    """The pairs of a CSV.

    Raises:
        NePhiError: no table of pairs, see `read_pair_list`.
        SettingsError: files that are not there.
    """
    listed = read_pair_list(table)
    pairs = [CohortPair(*(row.files[column] for column in _COLUMNS)) for row in listed]
    missing = [f"{row.name}: {path}" for row, pair in zip(listed, pairs) for path in pair.files if not path.exists()]
    if missing:
        raise SettingsError(
            f"{table} names files that are not there; correct or delete their lines.\n" + "\n".join(missing)
        )
    return pairs


def prepared(pair: CohortPair, encoder: Encoder) -> dict:
    """What training needs of a pair; half precision, some 15 MB.

    Raises:
        NePhiError: a file that cannot be read, images without lungs, or that do not belong together.
    """
    volumes = read_volume(pair.fixed, "fixed"), read_volume(pair.moving, "moving")
    lungs = [_lungs(volume, mask) for volume, mask in zip(volumes, (pair.fixed_mask, pair.moving_mask))]
    placement = place_pair(*volumes, *lungs, None)
    cubes = placement.fixed_norm_to_ras, placement.moving_norm_to_ras
    images = list(zip(volumes, lungs, cubes))
    search = [to_cube(*image, (SEARCH_SIZE,) * 3) for image in images]
    compared = [
        ComparedImage.of(to_cube(*image, cube_shape(image[2], COARSE.spacing_mm)), SIMILARITY, COARSE.neighbourhoods)
        for image in images
    ]
    return {
        "matches": encoder.matches(*search)[0].half(),
        "fixed": _as_half(compared[0]),
        "moving": _as_half(compared[1]),
        "sha256": [sha256_of(path) for path in pair.files],
    }


def _lungs(volume: Volume, mask: Path | None) -> np.ndarray:
    check_volume(volume)
    return read_mask(mask, volume.geometry) if mask else find_lungs(volume)


def _as_half(image: ComparedImage) -> list[Tensor]:
    return [image.features.half(), image.candidates_norm.half(), image.cell_norm]
