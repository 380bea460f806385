"""The picture of a registration: three planes of both images, their difference before and after, and det J."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from .errors import DependencyError, OutputError
from .viewing_planes import read_planes
from .volume import Volume
from .voxel_views import mask_points_ras_mm

_DPI = 110
_FOLDS_DRAWN = 20_000


def check_overview_possible() -> None:
    """Ask this before a long run, so that a missing package is not found out at its end.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from . import overview_figure  # noqa: F401 (is it there?)
    except ImportError as error:
        raise DependencyError(
            f"The overview picture needs matplotlib ({error}): pip install nephi-registration[plot]"
        ) from error


def write_overview(  # noqa: PLR0913 (all that the picture shows)
    path: str | os.PathLike[str],
    fixed: Volume,
    moving: Volume,
    warped: np.ndarray,
    determinant: np.ndarray,
    folds: np.ndarray,
    lungs: np.ndarray,
    report: dict[str, Any],
    title: str,
) -> None:
    """Write the overview as a PNG file.

    Rows: axial, coronal and sagittal plane where the fixed lungs are largest, in radiological convention and true
    proportions. Columns: fixed; moving at the same place in space; moving registered; the difference before and
    after; det J on a logarithmic scale with every fold marked, those in front of and behind the plane too.

    Args:
        path: PNG file; its folder must exist.
        fixed, moving: images, HU.
        warped: (K, J, I) moving image on the fixed grid, HU; NaN is shown as outside the image.
        determinant: (K, J, I) det J on the fixed grid.
        folds: (K, J, I) bool on the fixed grid.
        lungs: (K, J, I) bool, fixed lungs, not empty.
        report: what ``quality.quality_report`` returns.
        title: one line, such as the names of the images.

    Raises:
        DependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    check_overview_possible()
    from .overview_figure import draw_overview

    rows = read_planes(fixed, moving, warped, determinant, lungs)
    folds_ras_mm = mask_points_ras_mm(folds, fixed.geometry, _FOLDS_DRAWN)
    with warnings.catch_warnings():
        # A file's name may hold letters that the font lacks; they show as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = draw_overview(rows, folds_ras_mm, report, title)
        try:
            figure.savefig(path, format="png", dpi=_DPI)
        except OSError as error:
            raise OutputError(f"The overview {path} cannot be written: {error}. Choose a writable folder.") from error
