"""Where a NIfTI header places its image. It can do so twice, by a qform and an sform, or not at all."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from .nifti_header import Fields, nifti_fields

SAME_PLACE_MM = 0.5  # apart from rounding both forms say the same in files of programs that write both


def place_doubt(path: Path) -> str:
    """What is doubtful about the place of an image, for people; "" where nothing is, or it is no NIfTI file."""
    fields = nifti_fields(path)
    if fields is None:
        return ""
    is_nifti = fields["magic"][0].startswith((b"n+", b"ni"))  # the other such files, Analyze's, have neither form
    has_qform, has_sform = (is_nifti and code > 0 for code in fields["forms"])
    if not has_qform and not has_sform:
        return (
            "its NIfTI header does not say where the patient's left and right are (no qform, no sform): what is "
            "called right here may be left"
        )
    apart_mm = _apart_mm(fields) if has_qform and has_sform else 0.0
    if apart_mm <= SAME_PLACE_MM:
        return ""
    return (
        f"its NIfTI header places it twice, up to {apart_mm:.0f} mm apart (qform and sform), and programs differ in "
        "which they take: save it again with one that shows it where it belongs"
    )


def _apart_mm(fields: Fields) -> float:
    """How far apart the two forms place the same corner of the image, at most; infinite where one is no place."""
    ends = [(0, max(n - 1, 0)) for n in fields["dim"][1:4]]
    corners_ijk = np.array([(*corner, 1.0) for corner in product(*ends)])
    with np.errstate(all="ignore"):
        shift_mm = corners_ijk @ (_qform_matrix(fields) - np.reshape(fields["sform"], (3, 4))).T
        apart_mm = float(np.linalg.norm(shift_mm, axis=1).max())
    return apart_mm if np.isfinite(apart_mm) else np.inf


def _qform_matrix(fields: Fields) -> np.ndarray:
    """(3, 4) voxel indices (i, j, k, 1) to RAS mm by the quaternion of a header (NIfTI-1 standard, method 2)."""
    b, c, d, *origin = fields["qform"]
    a = max(0.0, 1 - b * b - c * c - d * d) ** 0.5
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handedness, *spacing_mm = fields["pixdim"][:4]
    steps_mm = np.array(spacing_mm) * [1, 1, -1 if handedness < 0 else 1]
    matrix: np.ndarray = np.c_[rotation * steps_mm, origin]
    return matrix
