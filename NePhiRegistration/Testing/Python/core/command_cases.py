"""A tiny pair of images, its masks, landmarks and an untrained model as files, and the command run on them."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import NePhiCore
from NePhiCore.checkpoint import save_checkpoint
from NePhiCore.cli import main
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import write_volume
from NePhiCore.model import ModelConfig, NePhiModel

SHAPE_KJI = (24, 26, 28)
SPACING_MM = 4.0
ORIGIN_RAS_MM = np.array([-50.0, -60.0, -40.0])
# The moving image is the fixed one, moved by this. An untrained model maps lung box to lung box: exactly this motion.
SHIFT_RAS_MM = np.array([10.0, -6.0, 14.0])
SHIFT_LPS_MM = SHIFT_RAS_MM * (-1, -1, 1)
LANDMARKS_LPS_MM = np.array([[0.0, 10.0, 5.0], [12.0, -3.0, 20.0], [-8.0, 1.0, -7.0]])
MILLIMETRES_OFF = 3.0  # distance of the moving landmarks from where that motion takes the fixed ones
LUNGS = (slice(6, 18), slice(6, 20), slice(6, 22))

SMALL_MODEL = ModelConfig(
    global_channels=8, local_channels=8, local_size=10, width=16, frequencies=8, layers=1, encoder_width=8
)

# The command without its search for matches, for what must be tried in a process of its own.
QUICK_PROGRAM = """
import sys
from NePhiCore.model import NePhiModel
NePhiModel.encode = lambda self, *images: (self.empty_code(), None)
from NePhiCore.cli import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Finished:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1] if self.err else ""


def grid(origin_ras_mm=ORIGIN_RAS_MM) -> ImageGeometry:
    return ImageGeometry.from_spacing(SHAPE_KJI, SPACING_MM, origin_ras_mm)


def hu() -> np.ndarray:
    """(K, J, I) int16, lung density with noise."""
    return np.random.default_rng(0).normal(-800, 60, SHAPE_KJI).astype(np.int16)


def write_pair(folder: Path) -> Path:
    """Write fixed, moving, fixed_mask, moving_mask (.nii.gz), fixed.csv, moving.csv and small.pt into a folder."""
    lungs = np.zeros(SHAPE_KJI, bool)
    lungs[LUNGS] = True
    for name, geometry in (("fixed", grid()), ("moving", grid(ORIGIN_RAS_MM + SHIFT_RAS_MM))):
        write_volume(folder / f"{name}.nii.gz", hu(), geometry)
        write_volume(folder / f"{name}_mask.nii.gz", lungs, geometry)
    moved_lps_mm = LANDMARKS_LPS_MM + SHIFT_LPS_MM + (0, 0, MILLIMETRES_OFF)
    for name, points in (("fixed", LANDMARKS_LPS_MM), ("moving", moved_lps_mm)):
        np.savetxt(folder / f"{name}.csv", points, delimiter=",", header="x,y,z", comments="")
    torch.manual_seed(0)
    save_checkpoint(folder / "small.pt", NePhiModel(SMALL_MODEL), {"data": "none, for tests"})
    return folder


def register_arguments(inputs: Path, outputs: Path, *more: object, **instead: object) -> list[str]:
    """Arguments of a run without optimisation that takes a second.

    Args:
        inputs: where `write_pair` wrote.
        outputs: where transform.h5 and report.json go.
        more: further arguments.
        instead: other values of the options below; None leaves an option out.
    """
    values = {
        "fixed": inputs / "fixed.nii.gz",
        "moving": inputs / "moving.nii.gz",
        "fixed_mask": inputs / "fixed_mask.nii.gz",
        "moving_mask": inputs / "moving_mask.nii.gz",
        "model": inputs / "small.pt",
        "preset": "fast",
        "grid_spacing": 8,
        "transform": outputs / "transform.h5",
        "report": outputs / "report.json",
        **instead,
    }
    images = [str(values.pop("fixed")), str(values.pop("moving"))]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None]
    return ["register", *images, *options, *map(str, more)]


def run(arguments: list[str]) -> Finished:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return Finished(code, out.getvalue(), err.getvalue())


def own_environment() -> dict[str, str]:
    """For a process that runs this package, buffers its output as a user's does, and does not compete in threads."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": str(Path(NePhiCore.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def files_in(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextlib.contextmanager
def quick_registration() -> Iterator[None]:
    """Leave out the search for matches, which only the tests of the encoder need, and waiting for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NePhiModel, "encode", lambda self, *images: (self.empty_code(), None))
        yield
    torch.set_num_threads(threads)
