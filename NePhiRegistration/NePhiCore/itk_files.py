"""Image files through ITK, whole or not at all: headers checked before voxels are read, written files read back."""

from __future__ import annotations

import math
import os
import re
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InvalidVolumeError, OutputError
from .geometry import ImageGeometry
from .itk_bridge import geometry_of, itk_image, quiet_itk
from .meta_header import check_meta
from .nifti_header import check_nifti, holds_voxels
from .paths import check_is_file, full_suffix, holds_hdf5
from .voxel_files import check_voxel_files

# Each of these formats is one file, so that it can be replaced as a whole; .nhdr and .mhd keep voxels in a second one.
IMAGE_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")

SAME_PLACE_MM = 0.01
_LARGEST_IMAGE_BYTES = 2**32


def read_header(path: Path, name: str) -> sitk.ImageFileReader:
    """A reader that has read the header of an image file and found it sane; ``read_voxels`` goes on from there.

    Raises:
        InvalidVolumeError: as in ``peek_header``; NIfTI that is truncated or holds NaN, MetaImage that is damaged.
    """
    header = peek_header(path, name)
    check_nifti(path, name)
    check_meta(path, _stored_bytes(header), name)
    return header


def peek_header(path: Path, name: str) -> sitk.ImageFileReader:
    """The same without a look at the voxels, for which a file may have to be read whole.

    Raises:
        InvalidVolumeError: missing, not a file, no image, HDF5, voxels in a file elsewhere, not three-dimensional,
            absurdly large, spacing that is not positive, axes that are not independent.
    """
    check_is_file(path, name, InvalidVolumeError)
    check_voxel_files(path, name)
    if holds_hdf5(path):
        raise InvalidVolumeError(
            f"{name}: {path} is HDF5 (MINC, or ITK's own), which is not read: where it is damaged, ITK crashes. "
            "Convert it to NRRD, NIfTI or MetaImage."
        )
    header = sitk.ImageFileReader()
    header.SetFileName(str(path))
    try:
        with quiet_itk():
            header.ReadImageInformation()
    except RuntimeError as error:
        raise InvalidVolumeError(_why_unreadable(error, path, name)) from error
    _check_size(header, path, name)
    _check_geometry(header, path, name)
    check_frames(header, name)
    return header


def read_voxels(header: sitk.ImageFileReader, name: str) -> sitk.Image:
    """The image of a checked header.

    Raises:
        InvalidVolumeError: truncated or damaged voxels.
        DeviceMemoryError: no memory for them.
    """
    try:
        with quiet_itk():
            image: sitk.Image = header.Execute()
            return image
    except RuntimeError as error:
        raise InvalidVolumeError(
            f"{name}: the header of {header.GetFileName()} can be read, its voxels cannot: the file is truncated or "
            "damaged. Copy or export it again."
        ) from error


def check_components(header: sitk.ImageFileReader, expected: int, name: str) -> None:
    """Raise InvalidVolumeError unless a voxel holds this many real numbers: 1 in a CT or mask, 3 in a field."""
    got = header.GetNumberOfComponents()
    kind = sitk.GetPixelIDValueAsString(header.GetPixelID())
    if got != expected:
        hint = "Give a single channel of a colour or vector image." if expected == 1 else "Is it an image, not a field?"
        raise InvalidVolumeError(
            f"{name}: {header.GetFileName()} holds {got} numbers in a voxel ({kind}), expected {expected}. {hint}"
        )


def write_image(path: Path, array: np.ndarray, geometry: ImageGeometry, is_vector: bool = False) -> None:
    """Write an array (K, J, I) or (K, J, I, C), compressed where the format can, and read it back to be sure.

    On a full disk ITK's NIfTI and NRRD writers can end without an error and leave a truncated file.

    Raises:
        OutputError: a format that is not written, NaN or infinite values, a geometry that the format cannot hold,
            a disk that is full.
        DeviceMemoryError: no memory for ITK's copies.
    """
    check_image_suffix(path)
    if not np.isfinite(array).all():
        raise OutputError(f"{path}: the values to write hold NaN or infinity, which not every format can keep.")
    try:
        with quiet_itk():
            image = itk_image(array, geometry, is_vector)
            pixel_id = image.GetPixelID()
            sitk.WriteImage(image, str(path), useCompression=True)
            del image  # its memory is wanted
        header = peek_header(path, path.name)
        is_same = header.GetPixelID() == pixel_id and _holds(path, array, is_vector)
    except (RuntimeError, OSError, EOFError, zlib.error, InvalidVolumeError) as error:
        raise OutputError(f"{path} could not be written whole. Is the disk full, or the folder read-only?") from error
    if not geometry_of(header).is_same_grid(geometry, SAME_PLACE_MM):
        raise OutputError(
            f"{path}: this format cannot hold voxel axes that are not at right angles. Write .nrrd instead."
        )
    if not is_same:
        raise OutputError(f"{path} differs from what was written to it. Is the disk full or failing?")


def check_image_suffix(path: Path | str) -> None:
    """Raise OutputError unless the file name ends in a format that is written."""
    if full_suffix(path) not in IMAGE_SUFFIXES:
        raise OutputError(f"{path}: an image file must end in one of {', '.join(IMAGE_SUFFIXES)}. Rename the output.")


def _holds(path: Path, array: np.ndarray, is_vector: bool) -> bool:
    """Whether a file that was just written holds an array."""
    suffix = full_suffix(path)
    if suffix.startswith(".nii") and not is_vector:
        return holds_voxels(path, array)
    if suffix == ".nrrd" and not _ends_with_length(path, array.nbytes):
        return False
    image = read_voxels(read_header(path, path.name), path.name)  # has a name: its view does not keep it alive
    return np.array_equal(sitk.GetArrayViewFromImage(image), array)


def _ends_with_length(path: Path, length: int) -> bool:
    """True where a gzip stream at the end of a file has its last number, the length; NRRD's reader does not look."""
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little") == length % 2**32


def _why_unreadable(error: RuntimeError, path: Path, name: str) -> str:
    if "orthonormal" in str(error):
        return (
            f"{name}: the axes in the NIfTI header of {path} are not at right angles (a sheared sform and no valid "
            "qform), which ITK does not read. Resample the image to a rectangular grid, or correct its header."
        )
    return (
        f"{name}: {path} is not an image that can be read: of an unknown format, empty or truncated. "
        "Give NRRD, NIfTI, MetaImage or a DICOM folder."
    )


def check_frames(header: sitk.ImageFileReader, name: str) -> None:
    """Raise InvalidVolumeError for DICOM of many frames: ITK stacks them as they come, whatever their places."""
    key = "0028|0008"  # NumberOfFrames
    if header.HasMetaDataKey(key) and header.GetMetaData(key).strip() not in ("", "1"):
        raise InvalidVolumeError(
            f"{name}: {header.GetFileName()} is DICOM with all slices in one file (enhanced CT), which is not read: "
            "where its slices lie and how they are scaled would be guessed. Convert it with 3D Slicer or dcm2niix."
        )


def _stored_bytes(header: sitk.ImageFileReader) -> int:
    (bits,) = map(int, re.findall(r"(\d+)-bit", sitk.GetPixelIDValueAsString(header.GetPixelID())))
    size: tuple[int, ...] = header.GetSize()
    components: int = header.GetNumberOfComponents()
    return math.prod(size) * components * bits // 8


def _check_size(header: sitk.ImageFileReader, path: Path, name: str) -> None:
    size = header.GetSize()
    if len(size) != 3:
        hint = "Split a time series into its images." if len(size) > 3 else "For DICOM slices give their folder."
        raise InvalidVolumeError(
            f"{name}: {path} has size {' x '.join(map(str, size))}; a three-dimensional image is needed. {hint}"
        )
    total_bytes = _stored_bytes(header)
    if min(size) < 1 or total_bytes > _LARGEST_IMAGE_BYTES:
        raise InvalidVolumeError(
            f"{name}: the header of {path} announces {' x '.join(map(str, size))} voxels, {total_bytes / 2**30:.4g} "
            f"GiB; at least one voxel and at most {_LARGEST_IMAGE_BYTES / 2**30:g} GiB are read. "
            "The header is damaged, or the image must be cropped or resampled first."
        )


def _check_geometry(header: sitk.ImageFileReader, path: Path, name: str) -> None:
    # Negative spacing must be caught before the voxels are read: ITK then turns it positive without a word.
    spacing = header.GetSpacing()
    if not min(spacing) > 0 or not math.isfinite(sum(spacing)):
        raise InvalidVolumeError(
            f"{name}: {path} has voxel spacing {list(spacing)} mm; each must be a positive number. Correct its header."
        )
    try:
        geometry_of(header)
    except InvalidVolumeError as error:
        raise InvalidVolumeError(f"{name}: {path}: {error}") from error
