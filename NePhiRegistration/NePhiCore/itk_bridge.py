"""The border to ITK: LPS <-> RAS, ITK headers as ImageGeometry, ITK's own messages and its errors of memory."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import SimpleITK as sitk

from .errors import DeviceMemoryError
from .geometry import ImageGeometry

# Turns LPS into RAS and RAS into LPS.
FLIP_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

# What ITK, C++ and the NIfTI library say. The last one does not say why it failed, but a NIfTI file in one piece is
# known to be whole (``check_nifti``) before its voxels are read: memory is what is left.
_OUT_OF_MEMORY = re.compile(r"allocate memory|bad_alloc|bad allocation|nifti_image_load failed .*\.nii(\.gz)?$", re.I)
_STDERR = 2
_stderr_lock = threading.RLock()


def flip_lps_ras(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) points or displacements, LPS mm to RAS mm or back; keeps a floating dtype."""
    vectors = np.asarray(vectors)
    flipped: np.ndarray = vectors * np.diag(FLIP_LPS_RAS)[:3].astype(vectors.dtype)
    return flipped


_Header = TypeVar("_Header", sitk.Image, sitk.ImageFileReader)


def geometry_of(header: _Header) -> ImageGeometry:
    """Geometry of a three-dimensional ITK image, or of a reader that has read the header of one.

    Raises:
        InvalidVolumeError: spacing that is not positive, or axes that are not independent.
    """
    spacing, direction = np.array(header.GetSpacing()), np.reshape(header.GetDirection(), (3, 3))
    ijk_to_lps = np.eye(4)
    ijk_to_lps[:3, :3] = direction * spacing
    ijk_to_lps[:3, 3] = header.GetOrigin()
    return ImageGeometry(header.GetSize()[::-1], FLIP_LPS_RAS @ ijk_to_lps)


def itk_image(array: np.ndarray, geometry: ImageGeometry, is_vector: bool = False) -> sitk.Image:
    """ITK image of an array (K, J, I), or (K, J, I, C) where it holds vectors."""
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(geometry.spacing_mm.tolist())
    image.SetOrigin(flip_lps_ras(geometry.origin_ras_mm).tolist())
    image.SetDirection((FLIP_LPS_RAS[:3, :3] @ geometry.direction).ravel().tolist())
    return image


@contextmanager
def itk_memory_in_words() -> Iterator[None]:
    """Turn what ITK raises where memory runs out, a RuntimeError like all its errors, into a DeviceMemoryError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error).strip()):
            raise
        raise DeviceMemoryError(
            "Out of memory while an image or a map was read or written. Write coarser maps (--grid-spacing 5), crop "
            "the images or resample them to larger voxels, or close other programs."
        ) from error


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep what ITK, HDF5, MetaIO and the NIfTI library write to stderr themselves off the terminal.

    They print page-long traces beside the exception that they raise, and no switch of theirs stops them all,
    so stderr of the process itself is turned off for the duration of the call.

    Raises:
        DeviceMemoryError: see ``itk_memory_in_words``.
    """
    with _stderr_lock, itk_memory_in_words():
        try:
            kept = os.dup(_STDERR)
        except OSError:
            kept = None  # a program without a terminal, such as a Windows GUI, has no stderr to keep quiet
        try:
            if kept is not None:
                _point_stderr_at_nothing()
            yield
        except UnicodeDecodeError as error:  # ITK's message quotes a damaged file, and Python cannot take it over
            raise RuntimeError("ITK failed, in words that are no text.") from error
        finally:
            if kept is not None:
                os.dup2(kept, _STDERR)
                os.close(kept)


def _point_stderr_at_nothing() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, _STDERR)
    finally:
        os.close(nothing)
