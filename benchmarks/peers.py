"""Other tools with their authors' published settings for lungs, in the same run on the same cores."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .accuracy import accuracy_of
from .cases import BenchmarkPair
from .measurements import Measurement, summarised
from .processes import run_process

SCRIPTS = Path(__file__).parent / "peer_scripts"


@dataclass(frozen=True)
class Peer:
    """A tool that registers, and the script that runs it as its authors would.

    Attributes:
        script: in `peer_scripts`; called with fixed, moving, output and both masks.
        module: what has to be importable.
        package: how to get that.
    """

    name: str
    script: str
    module: str
    package: str


PEERS = (
    Peer("elastix Par0011", "elastix_par0011.py", "itk.itkElastixRegistrationMethodPython", "itk-elastix"),
    Peer("convexAdam", "convex_adam.py", "convexAdam", "convexAdam"),
    Peer("greedy", "greedy_ncc.py", "picsl_greedy", "picsl_greedy"),
    Peer("ANTs SyN", "ants_syn.py", "ants", "antspyx"),
    Peer("SimpleITK demons", "simpleitk_demons.py", "SimpleITK", "SimpleITK"),
    Peer("SimpleITK B-spline", "simpleitk_bspline.py", "SimpleITK", "SimpleITK"),
)


def is_installed(peer: Peer, python: str) -> bool:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({peer.module!r}) is None)"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def measure_peer(peer: Peer, pair: BenchmarkPair, python: str, threads: int, runs: int) -> Measurement:
    """Medians of several runs; a measurement that says what to install where the tool is not there.

    Args:
        python: interpreter of the environment that the peers are installed in.
    """
    settings = {"threads": threads}
    if not is_installed(peer, python):
        reason = f"not installed: pip install {peer.package}, beside what --peers-python names"
        return Measurement(peer.name, pair.name, settings, 0, *[float("nan")] * 2, 0, float("nan"), failed=reason)
    with tempfile.TemporaryDirectory() as folder:
        transform = Path(folder, "displacement.nii.gz")
        files = (pair.fixed, pair.moving, transform, pair.fixed_lungs, pair.moving_lungs)
        command = [python, str(SCRIPTS / peer.script), *map(str, files), "--threads", str(threads)]
        done = [run_process(command, threads) for _ in range(runs)]
        accuracy = accuracy_of(transform, pair) if transform.exists() else {}
    return summarised(peer.name, pair.name, done, settings, accuracy)
