"""The icon at the size of Slicer's module list: two bright lungs on a dark ground, with a gap that can be seen."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage


@pytest.fixture(scope="module")
def small(repository) -> np.ndarray:
    """(16, 16) brightness of the icon at 16 pixels, as Qt makes it smaller; 0 to 255."""
    path: Path = repository / "NePhiRegistration/Resources/Icons/NePhiRegistration.png"
    image = QImage(str(path))
    assert (image.width(), image.height(), image.hasAlphaChannel()) == (128, 128, True)
    scaled = image.scaled(16, 16, mode=Qt.TransformationMode.SmoothTransformation)
    grey = scaled.convertToFormat(QImage.Format.Format_Grayscale8)
    return np.array(grey.constBits(), np.uint8).reshape(16, grey.bytesPerLine())[:, :16].astype(float)


def test_the_gap_between_the_lungs_is_seen(small):
    for row in small[8:13]:
        gap, left, right = row[7:9].max(), row[4:6].min(), row[10:12].min()
        assert min(left, right) > gap + 60


def test_the_lungs_fill_the_icon(small):
    bright = small > 110
    assert 0.3 < bright.mean() < 0.7
    assert np.flatnonzero(bright.any(0))[[0, -1]].tolist() == [1, 14]


def test_both_lungs_look_alike(small):
    np.testing.assert_allclose(small, small[:, ::-1], atol=12)
