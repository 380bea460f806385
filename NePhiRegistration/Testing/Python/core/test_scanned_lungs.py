"""The volumes of box-shaped lungs."""

import pytest
from breathing_boxes import X_MM, Y_MM, Z_MM, scan

from NePhiCore.scanned_lungs import ScannedLungs

ONE_LUNG_ML = (X_MM[1] - X_MM[0]) * 2 * Y_MM * (Z_MM[1] - Z_MM[0]) * 1e-3


@pytest.mark.parametrize(("state", "times"), [("exhale", 1), ("inhale", 2)])
def test_each_lung_has_its_volume(state, times):
    box = scan(state)
    lungs = ScannedLungs(box.volume, box.lungs)
    assert lungs.ml == pytest.approx(2 * times * ONE_LUNG_ML)
    for side in ("left", "right"):
        assert lungs.volumes_ml[side] == pytest.approx(times * ONE_LUNG_ML)


def test_a_lung_that_is_not_there_has_no_volume():
    box = scan("exhale", with_left=False)
    lungs = ScannedLungs(box.volume, box.lungs)
    assert lungs.volumes_ml == {"both": pytest.approx(ONE_LUNG_ML), "right": pytest.approx(ONE_LUNG_ML), "left": None}
