"""What memory a run takes: near what was measured, and said where it is short."""

from pathlib import Path

import numpy as np
import pytest
from command_cases import write_pair

from NePhiCore import register_command
from NePhiCore.cli import main
from NePhiCore.geometry import ImageGeometry
from NePhiCore.memory_estimate import estimated_bytes, shortage_in_words
from NePhiCore.output_paths import OutputPaths
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume

SMALL, HALF, FULL = (150, 128, 158), (300, 512, 512), (600, 512, 512)
EXTENT_KJI_MM = np.array((300.0, 256.0, 316.0))
WARPED, JACOBIAN, OVERVIEW, MAPS = "warped", "jacobian", "overview", "ventilation_jacobian"
EVERYTHING = (WARPED, JACOBIAN, OVERVIEW, MAPS)

# Shape of both images, type, outputs beside both transforms and the report, settings beside those of `fast`, and GB at
# most of the command; two cores, Linux.
MEASURED = [
    (SMALL, np.int16, (), {}, 0.95),
    (SMALL, np.int16, (), {"grid_spacing_mm": 2.0}, 0.98),
    (SMALL, np.int16, (), {"grid_spacing_mm": 1.0}, 2.74),
    (SMALL, np.int16, (), {"similarity_sampling_ratio": 0.05, "optimise": "latent", "iterations": 20}, 1.21),
    (SMALL, np.int16, (), {"similarity_sampling_ratio": 0.2, "optimise": "latent", "iterations": 20}, 2.41),
    (HALF, np.int16, (), {}, 1.43),
    (HALF, np.int16, (WARPED,), {}, 1.42),
    (HALF, np.int16, (JACOBIAN,), {}, 1.74),
    (HALF, np.int16, (MAPS,), {}, 1.83),
    (HALF, np.float32, (), {}, 1.75),
    (HALF, np.float32, (WARPED,), {}, 2.10),
    (FULL, np.int16, (), {}, 2.01),
    (FULL, np.int16, (), {"grid_spacing_mm": 1.0}, 3.69),
    (FULL, np.int16, (WARPED,), {}, 2.31),
    (FULL, np.int16, (MAPS,), {}, 3.17),
    (FULL, np.int16, (WARPED, JACOBIAN, OVERVIEW), {}, 2.95),
    (FULL, np.int16, EVERYTHING, {}, 3.53),
    (HALF, np.int16, EVERYTHING, {}, 1.88),
    (FULL, np.float32, (), {}, 2.77),
    (FULL, np.float32, (WARPED, JACOBIAN, OVERVIEW), {}, 3.60),
    (FULL, np.float32, EVERYTHING, {}, 3.99),
]
BALANCED = {"optimise": "latent", "iterations": 200}
MEASURED_BALANCED = [
    (SMALL, np.int16, (), BALANCED, 1.02),
    (HALF, np.int16, (), BALANCED, 1.69),
    (FULL, np.int16, (), BALANCED, 2.4),
]


def estimated_gb(shape, kind, outputs, settings) -> float:
    geometry = ImageGeometry.from_spacing(shape, (EXTENT_KJI_MM / (np.array(shape) - 1))[::-1], (0.0, 0.0, 0.0))
    volume = Volume(np.broadcast_to(np.zeros((), kind), shape), geometry)
    paths = OutputPaths(Path("t.h5"), **{name: Path(name) for name in outputs})
    return estimated_bytes(volume, volume, settings_for("fast", **settings), paths) / 1e9


@pytest.mark.parametrize(("shape", "kind", "outputs", "settings", "measured_gb"), MEASURED + MEASURED_BALANCED)
def test_memory_is_near_what_was_measured(shape, kind, outputs, settings, measured_gb):
    assert estimated_gb(shape, kind, outputs, settings) == pytest.approx(measured_gb, rel=0.15)


def test_a_shortage_is_said_and_plenty_is_not():
    words = shortage_in_words(3 * 2**30, 2**30)
    assert words.startswith("nephi: warning: about 3.0 GB of memory will be needed, 1.0 GB are free. If")
    assert shortage_in_words(2**30, 3 * 2**30) == ""
    assert shortage_in_words(2**30, 0) == ""  # nobody knows


def test_the_command_says_so_before_it_begins(tmp_path, monkeypatch, capsys):
    folder = write_pair(tmp_path)
    monkeypatch.setattr(register_command, "free_main_memory_bytes", lambda: 1000)
    monkeypatch.setattr("NePhiCore.pair_run.register_and_write", lambda *arguments: 1 / 0)
    pair = [str(folder / f"{name}.nii.gz") for name in ("fixed", "moving")]
    files = ["--transform", str(tmp_path / "t.h5"), "--model", str(folder / "small.pt"), "--quiet"]
    assert main(["register", *pair, *files]) == 1
    assert "nephi: warning: about 0.9 GB of memory will be needed, 0.0 GB are free." in capsys.readouterr().err
