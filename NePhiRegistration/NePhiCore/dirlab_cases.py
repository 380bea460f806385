"""DIR-Lab's two data sets as they are handed out: sizes of the cases, names of the files, which of them are there.

The images have no header, so size and spacing come from the tables that DIR-Lab (https://www.dir-lab.com) publishes
with the downloads:

* R. Castillo et al., A framework for evaluation of deformable image registration spatial accuracy using large
  landmark point sets, Phys Med Biol 54 (2009) 1849; E. Castillo et al., Four-dimensional deformable image
  registration using trajectory modeling, Phys Med Biol 55 (2010) 305: 4DCT.
* R. Castillo et al., A reference dataset for deformable image registration spatial accuracy evaluation using the
  COPDgene study archive, Phys Med Biol 58 (2013) 2861: COPDGene.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PHASES = ("exhale", "inhale")
# copd1/copd1/copd1_iBHCT.img and Case1Pack/Images/case1_T00_s.img, in the folder given or one below it.
_DEEPEST = 4


@dataclass(frozen=True)
class CaseSize:
    """Voxels and spacing (mm) of both scans of a case, in the order (i, j, k)."""

    voxels_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class DirLabDataset:
    """One of the data sets.

    Attributes:
        name: as --dataset has it.
        prefix: of a case's name.
        sizes: by the number of the case.
        image, landmarks: patterns of the file names, any case of letters; their groups are number and phase.
        examples: "image", "landmarks" -> a file name that fits the pattern, for messages.
        phases: the phase as the file names have it -> "exhale" or "inhale".
    """

    name: str
    prefix: str
    sizes: Mapping[int, CaseSize]
    image: str
    landmarks: str
    examples: Mapping[str, str]
    phases: Mapping[str, str]


@dataclass(frozen=True)
class DirLabCase:
    """The files of a case that were found, each kind under (phase, "image" or "landmarks")."""

    dataset: DirLabDataset
    number: int
    files: dict[tuple[str, str], list[Path]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.dataset.prefix}{self.number}"


def _sizes(in_plane: int, rows: list[tuple[int, float]]) -> dict[int, CaseSize]:
    """Rows of (slices, spacing in the slice); slices are 2.5 mm apart in every case of both data sets."""
    return {
        number: CaseSize((in_plane, in_plane, slices), (spacing, spacing, 2.5))
        for number, (slices, spacing) in enumerate(rows, start=1)
    }


COPDGENE = DirLabDataset(
    name="dirlab-copdgene",
    prefix="copd",
    sizes=_sizes(
        512,
        [
            (121, 0.625),
            (102, 0.645),
            (126, 0.652),
            (126, 0.590),
            (131, 0.647),
            (119, 0.633),
            (112, 0.625),
            (115, 0.586),
            (116, 0.664),
            (135, 0.742),
        ],
    ),
    image=r"copd(\d+)_([ie])BHCT\.img",
    landmarks=r"copd(\d+)_300_([ie])BH_xyz_r1\.txt",
    examples={"image": "copd1_eBHCT.img", "landmarks": "copd1_300_eBH_xyz_r1.txt"},
    phases={"e": "exhale", "i": "inhale"},
)

FOUR_D_CT = DirLabDataset(
    name="dirlab-4dct",
    prefix="case",
    sizes={
        **_sizes(256, [(94, 0.97), (112, 1.16), (104, 1.15), (99, 1.13), (106, 1.10)]),
        **{
            number: CaseSize((512, 512, slices), (0.97, 0.97, 2.5))
            for number, slices in ((6, 128), (7, 136), (8, 128), (9, 128), (10, 120))
        },
    },
    # case1_T00_s.img, case2_T00-ssm.img, case6_T00.img; Case1_300_T00_xyz.txt, case6_dirLab300_T00_xyz.txt
    image=r"case(\d+)_(T00|T50)(?:[_-]s(?:sm)?)?\.img",
    landmarks=r"case(\d+)_(?:dirLab)?300_(T00|T50)_xyz\.txt",
    examples={"image": "case1_T50_s.img", "landmarks": "Case1_300_T50_xyz.txt"},
    phases={"t50": "exhale", "t00": "inhale"},
)


def find_cases(folder: Path, dataset: DirLabDataset) -> list[DirLabCase]:
    """The cases of which any file lies in the folder or a few levels below, by number."""
    cases: dict[int, DirLabCase] = {}
    for path in _files(folder):
        for kind in ("image", "landmarks"):
            match = re.fullmatch(getattr(dataset, kind), path.name, re.IGNORECASE)
            if match:
                number, phase = int(match[1]), dataset.phases[match[2].lower()]
                case = cases.setdefault(number, DirLabCase(dataset, number))
                case.files.setdefault((phase, kind), []).append(path)
    return [cases[number] for number in sorted(cases)]


def _files(folder: Path) -> list[Path]:
    """Files by name, linked folders too; no deeper than needed, for a folder may hold a whole disk."""
    found = (path for depth in range(_DEEPEST + 1) for path in folder.glob("*/" * depth + "*.*"))
    return sorted(path for path in found if path.suffix.lower() in (".img", ".txt"))
