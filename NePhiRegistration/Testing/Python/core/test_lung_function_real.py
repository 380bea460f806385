"""Left and right, and the maps of real lungs: real CT, and semi-synthetic breathing whose motion is known."""

import numpy as np
import pytest

from NePhiCore.displacement_field import DisplacementField
from NePhiCore.folds import determinant_on
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import read_mask, read_volume
from NePhiCore.lung_function import lung_function
from NePhiCore.lung_function_names import OUTSIDE
from NePhiCore.lung_mask import find_lungs
from NePhiCore.scanned_lungs import ScannedLungs


@pytest.mark.parametrize("name", ["CPTAC_C3N-00247", "LIDC-IDRI-0002", "Lung_Dx-A0001_B", "TCGA-DE-A4MA_thorax"])
def test_both_lungs_are_told_apart(shared_data, name):
    volume = read_volume(shared_data / "chest_ct" / f"{name}.nii.gz")
    lungs = ScannedLungs(volume, find_lungs(volume))
    assert lungs.sides.how in ("apart", "touching")
    assert 0.52 < lungs.volumes_ml["right"] / lungs.ml < 0.6  # the heart takes from the left one


@pytest.mark.parametrize("name", ["baseline", "followup"])
def test_an_image_of_the_right_lung_alone_shows_the_right_lung(shared_data, name):
    folder = shared_data / "lung_pair"
    volume = read_volume(folder / f"{name}.nii.gz")
    lungs = ScannedLungs(volume, read_mask(folder / f"{name}_mask.nii.gz", volume.geometry))
    assert lungs.sides.how == "one"
    assert lungs.volumes_ml["left"] is None
    assert lungs.volumes_ml["right"] == lungs.ml


def test_ventilation_by_volume_adds_up_to_the_breath(shared_data):
    folder = shared_data / "breathing_pairs" / "d2"
    exhale, inhale = (read_volume(folder / f"{state}.nii.gz", state) for state in ("exhale", "inhale"))
    lungs = [read_mask(folder / f"{v.name}_lungs.nii.gz", v.geometry) for v in (exhale, inhale)]
    field = true_map(folder / "truth_exhale_to_inhale.npz")
    found = lung_function(exhale, inhale, field, *lungs)
    assert found.figures["inhale_image"] == "moving"
    for suffix in ("", "_left", "_right"):
        change, exhaled = (found.figures[f"lung_volume_{what}_ml{suffix}"] for what in ("change", "exhale"))
        assert found.figures[f"ventilation_jacobian_mean{suffix}"] == pytest.approx(change / exhaled, abs=0.03)
    by_volume, determinant = found.ventilation_jacobian.whole(), determinant_on(field, exhale.geometry)
    where = by_volume > OUTSIDE
    np.testing.assert_allclose(by_volume[where], determinant[where].clip(0.1, 10) - 1, atol=1e-6)
    assert found.figures["prm_normal_percent"] > 80


def true_map(path) -> DisplacementField:
    """The known motion, LPS (I, J, K, 3) in the file."""
    truth = np.load(path)
    displacement = truth["u"].transpose(2, 1, 0, 3) * (-1, -1, 1)
    step, origin = np.broadcast_to(truth["step"], 3), truth["origin"] * (-1, -1, 1)
    geometry = ImageGeometry.from_spacing(displacement.shape[:3], step, origin, np.diag([-1.0, -1.0, 1.0]))
    return DisplacementField(displacement.astype(np.float32), geometry)
