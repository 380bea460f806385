"""The overview picture: written whole or not at all, everything readable, folds marked."""

import sys

import numpy as np
import pytest

from NePhiCore.displacement_field import DisplacementField, identity_field, warp_volume
from NePhiCore.errors import DependencyError, OutputError
from NePhiCore.folds import determinant_on, fold_mask
from NePhiCore.geometry import ImageGeometry
from NePhiCore.overview import FOLDS_DRAWN, check_overview_possible, write_overview
from NePhiCore.quality import quality_report
from NePhiCore.viewing_planes import read_planes
from NePhiCore.volume import Volume
from NePhiCore.voxel_views import mask_points_ras_mm

MAGENTA = (1.0, 0.0, 0.83)


@pytest.fixture(scope="module")
def scan() -> tuple[Volume, np.ndarray]:
    """A body of water with two lungs of noise, on an anisotropic left-handed grid."""
    left_handed = np.diag([-1, 1, 1])
    geometry = ImageGeometry.from_spacing((30, 44, 50), (3.0, 3.0, 5.0), (75.0, -66.0, -75.0), left_handed)
    r, a, s = np.moveaxis(geometry.points_ras_mm(), -1, 0)
    lungs = ((np.abs(r) - 32) / 24) ** 2 + (a / 45) ** 2 + (s / 60) ** 2 < 1
    hu = np.where((r / 70) ** 2 + (a / 60) ** 2 < 1, 40.0, -1000.0)
    hu[lungs] = np.random.default_rng(0).normal(-750, 120, int(lungs.sum()))
    return Volume(hu.astype(np.int16), geometry, "scan"), lungs


def folded_field(geometry: ImageGeometry) -> DisplacementField:
    displacement = np.zeros((*geometry.shape_kji, 3), np.float32)
    displacement[13:17, 20:24, 10:14] = np.random.default_rng(0).normal(0, 8, (4, 4, 4, 3))
    return DisplacementField(displacement, geometry)


def write(path, scan, field, title="fixed ← moving") -> None:
    volume, lungs = scan
    geometry = volume.geometry
    report = quality_report(volume, volume, field, identity_field(), lungs, lungs, np.zeros((1, 3)), np.zeros((1, 3)))
    warped, determinant = warp_volume(volume, field, geometry), determinant_on(field, geometry)
    rows = read_planes(volume, volume, warped, determinant, lungs)
    write_overview(path, rows, mask_points_ras_mm(fold_mask(field, geometry), geometry, FOLDS_DRAWN), report, title)


def pixels_like(path, colour) -> int:
    from matplotlib.image import imread

    return int((np.abs(imread(path)[..., :3] - colour).max(-1) < 0.06).sum())


def test_folds_are_marked_and_only_folds(tmp_path, scan):
    write(tmp_path / "folded.png", scan, folded_field(scan[0].geometry))
    write(tmp_path / "regular.png", scan, identity_field())
    assert pixels_like(tmp_path / "folded.png", MAGENTA) > 100
    assert pixels_like(tmp_path / "regular.png", MAGENTA) == 0


def test_the_picture_is_a_png_whatever_its_name_and_title(tmp_path, scan):
    path = tmp_path / "overview.png.partial"
    write(path, scan, identity_field(), title="$\\frac{1$ 吸気 " + 40 * "long title ")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_global_state_of_matplotlib_is_untouched(tmp_path, scan):
    import matplotlib

    before = dict(matplotlib.rcParams)
    write(tmp_path / "overview.png", scan, identity_field())
    assert dict(matplotlib.rcParams) == before


def test_a_missing_folder_is_an_output_error(tmp_path, scan):
    with pytest.raises(OutputError, match="writable folder"):
        write(tmp_path / "missing" / "overview.png", scan, identity_field())


def test_without_matplotlib_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "NePhiCore.overview_figure", raising=False)
    monkeypatch.delattr("NePhiCore.overview_figure", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match=r"pip install nephi-registration\[plot\]"):
        check_overview_possible()
