"""The benchmark itself: what it moves, what it calls a departure, and that it goes on where it was stopped."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import equivariance, equivariance_report
from benchmarks.equivariance_report import summary_table
from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.volume import Volume

SHAPE_KJI = (10, 11, 12)
SHIFT_RAS_MM = np.array([3.0, -4.0, 12.0])


def pair() -> equivariance.Subject:
    """The moving image is the fixed one, shifted."""
    hu = np.random.default_rng(0).normal(-800, 50, SHAPE_KJI)
    images = [
        Volume(hu, ImageGeometry.from_spacing(SHAPE_KJI, (2, 3, 4), origin)) for origin in (np.zeros(3), SHIFT_RAS_MM)
    ]
    return equivariance.Subject("blocks", *images, lambda points: points + SHIFT_RAS_MM)


def voxel_on_voxel(fixed, moving, settings, model):
    """The registration that moves with its images, whatever they do."""
    points = fixed.geometry.points_ras_mm()
    matrix = moving.geometry.ijk_to_ras @ fixed.geometry.ras_to_ijk
    field = DisplacementField((transform_points(matrix, points) - points).astype(np.float32), fixed.geometry)
    return SimpleNamespace(fixed_to_moving=field)


def standing_still(fixed, moving, settings, model):
    """One that sees nothing."""
    zeros = np.zeros((*SHAPE_KJI, 3), np.float32)
    return SimpleNamespace(fixed_to_moving=DisplacementField(zeros, fixed.geometry))


@pytest.fixture
def trial(monkeypatch):
    def make(register) -> equivariance.Trial:
        monkeypatch.setattr(equivariance, "register", register)
        monkeypatch.setattr(equivariance, "find_lungs", lambda volume: np.ones(volume.hu.shape, bool))
        return equivariance.Trial(pair(), "fast", None)

    return make


@pytest.mark.parametrize(
    "kind, amount", [("turn R-L", 30), ("turn A-P", 45), ("shift", 200), ("size", 0.7), ("height", 1.4)]
)
@pytest.mark.parametrize("mode", equivariance.MODES)
def test_a_map_that_moves_with_the_images_departs_by_nothing(trial, mode, kind, amount):
    figures = trial(voxel_on_voxel).figures(mode, kind, amount)
    assert set(figures) == {f"{what}_{which}_mm" for what in ("departure", "error") for which in ("mean", "p95")}
    assert max(figures.values()) < 1e-3


def test_a_map_that_stands_still_departs_by_the_motion(trial):
    still = trial(standing_still)
    assert still.as_it_is()["error_mean_mm"] == pytest.approx(13.0)  # of (3, -4, 12)
    assert still.figures("WU", "shift", 100)["departure_mean_mm"] == pytest.approx(100.0)
    assert still.figures("UU", "shift", 100)["departure_p95_mm"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "kind, amount, point, expected",
    [
        ("turn S-I", 90, (1, 0, 0), (0, 1, 0)),
        ("turn R-L", 90, (0, 1, 0), (0, 0, 1)),
        ("turn A-P", 90, (1, 0, 0), (0, 0, 1)),
        ("shift", 3**0.5, (0, 0, 0), (1, 1, 1)),
        ("size", 2, (1, 2, 3), (2, 4, 6)),
        ("height", 2, (1, 2, 3), (1, 2, 6)),
    ],
)
def test_motions(kind, amount, point, expected):
    centre = np.array([10.0, 20.0, 30.0])
    matrix = equivariance.motion_matrix(kind, amount, centre)
    if kind == "shift":
        centre = np.zeros(3)
    np.testing.assert_allclose(transform_points(matrix, centre + point) - centre, expected, atol=1e-12)


def test_it_goes_on_where_it_was_stopped_and_writes_table_and_picture(tmp_path, trial, monkeypatch):
    trial(voxel_on_voxel)
    monkeypatch.setattr(equivariance, "phantom_subject", lambda seed: pair())
    monkeypatch.setattr(equivariance, "load_checkpoint", lambda path: None)
    files = {"results": tmp_path / "r", "output": tmp_path / "o", "picture": tmp_path / "p.png"}
    arguments = [f"--{name}={path}" for name, path in files.items()]
    assert equivariance.main([*arguments, "--kinds", "shift", "--amounts", "50"]) == 0
    assert equivariance.main([*arguments, "--kinds", "shift", "height", "--amounts", "50"]) == 0
    rows = [json.loads(line) for line in files["results"].read_text(encoding="utf-8").splitlines()]
    assert [(row["mode"], row["kind"]) for row in rows] == [
        *(("as it is", ""), ("UU", "shift"), ("WU", "shift"), ("UU", "height"), ("WU", "height"))
    ]
    assert files["picture"].read_bytes().startswith(b"\x89PNG")
    text = files["output"].read_text(encoding="utf-8")
    assert "| blocks | fast | 50 mm | 0.00 / 0.00 | 0.00 / 0.00 | 0.00 / 0.00 | 0.00 / 0.00 |" in text
    assert text.count("<!-- begin: equivariance -->") == 1


def test_a_pair_that_is_refused_is_a_line_too():
    rows = [{"subject": "s", "preset": "fast", "mode": "WU", "kind": "turn R-L", "amount": 45, "refused": "no lungs"}]
    assert "| s | fast | 45° about R-L |  |  | refused: no lungs |  |" in summary_table(rows)


def test_the_picture_is_of_the_preset_with_the_most_motions(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(equivariance_report, "draw", lambda rows, path: drawn.extend(rows))
    presets = ["balanced", "fast", "fast", "balanced", "fast"]
    rows = [
        {"subject": "s", "preset": preset, "mode": "UU", "kind": "shift", "amount": n}
        for n, preset in enumerate(presets)
    ]
    equivariance_report.write_report(rows, tmp_path / "document.md", tmp_path / "picture.png")
    assert [row["amount"] for row in drawn] == [1, 2, 4]
