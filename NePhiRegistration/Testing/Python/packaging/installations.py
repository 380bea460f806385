"""A copy of the code alone: made to register a sample, and asked where everything that it loaded came from."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = Path(sysconfig.get_paths()["purelib"])

REGISTER_SAMPLE = """
import json, sys
import numpy as np
from NePhiCore.cli import main
from NePhiCore.image_io import write_volume
from NePhiCore.phantom import breathing_phantom

phantom = breathing_phantom((78, 72, 90), 4.0)
for name in ("exhale", "inhale"):
    volume = getattr(phantom, name)
    write_volume(name + ".nii.gz", volume.hu, volume.geometry)
    points = getattr(phantom, f"landmarks_{name}_ras_mm")
    np.savetxt(name + ".csv", points, delimiter=",", header="r,a,s", comments="")
code = main(
    "register exhale.nii.gz inhale.nii.gz --preset fast --transform T.h5 --report report.json --quiet "
    "--fixed-landmarks exhale.csv --moving-landmarks inhale.csv".split()
)
loaded = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] in ("NePhiCore", "NePhiBatch")]
with open("loaded.json", "w") as file:
    json.dump(loaded, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Installation:
    """A way to run Python with one copy of the code and no other.

    Attributes:
        folder: where that copy lies.
        command: what the code to run is added to.
        preamble: code that goes before it.
    """

    folder: Path
    command: tuple[str, ...]
    preamble: str = ""

    def run(self, code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run code in a folder; a failure shows what it said."""
        command = [*self.command, "-c", self.preamble + code, *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def tree_alone(folder: Path) -> Installation:
    """A folder of packages beside the libraries; without `site`, so that no .pth file leads to the source."""
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}]; sys.path.append({str(LIBRARIES)!r})\n"
    return Installation(folder, (sys.executable, "-I", "-S"), paths)


def check_sample_is_registered(installation: Installation, folder: Path) -> None:
    """Have it register the phantom, with its own weights, and look at the result and at what was loaded."""
    installation.run(REGISTER_SAMPLE, folder)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["tre_mm"]["before"]["mean"] > 8
    assert report["tre_mm"]["after"]["mean"] < 2
    assert (folder / "T.h5").stat().st_size > 10_000
    loaded = json.loads((folder / "loaded.json").read_text(encoding="utf-8"))
    assert len(loaded) > 50
    assert all(Path(file).is_relative_to(installation.folder) for file in loaded), loaded
