"""The picture of a registration: three planes of both images, their difference before and after, and det J."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from .errors import DependencyError, OutputError
from .viewing_planes import RowOfPictures

_DPI = 110
FOLDS_DRAWN = 20_000


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


def write_overview(
    path: str | os.PathLike[str],
    rows: list[RowOfPictures],
    folds_ras_mm: np.ndarray,
    report: dict[str, Any],
    title: str,
) -> None:
    """Write the overview as a PNG file.

    Rows: axial, coronal and sagittal plane where the fixed lungs are largest, in radiological convention and true
    proportions. Columns: fixed; moving at the same place in space; moving registered; the difference before and
    after; det J on a logarithmic scale with every fold marked, those in front of and behind the plane too.

    Args:
        path: PNG file; its folder must exist.
        rows: the three planes.
        folds_ras_mm: (N, 3) folded voxels, RAS mm; FOLDS_DRAWN of them are plenty.
        report: what ``quality.quality_report`` returns.
        title: one line, such as the names of the images.

    Raises:
        DependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    check_overview_possible()
    from .overview_figure import draw_overview

    with warnings.catch_warnings():
        # A file's name may hold letters that the font lacks; they show as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = draw_overview(rows, folds_ras_mm, report, title)
        try:
            figure.savefig(path, format="png", dpi=_DPI)
        except OSError as error:
            raise OutputError(f"The overview {path} cannot be written: {error}. Choose a writable folder.") from error
