"""A CT series out of a folder of DICOM slices."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InvalidVolumeError
from .geometry import transform_points
from .itk_bridge import geometry_of, quiet_itk
from .itk_files import check_components, check_frames
from .paths import check_name_is_text

# A slice may lie this share of the slice spacing off its place, or 0.1 mm: headers are rounded.
_POSITION_TOLERANCE = 0.1


def read_dicom_series(folder: Path, name: str) -> sitk.Image:
    """The largest CT series of the folder as one image; subfolders are not searched.

    Raises:
        InvalidVolumeError: a folder that may not be read or holds pipes, no DICOM slices, none of CT, two series that
            are equally large, all slices in one file, slices of unequal size or orientation, slices that are missing,
            doubled or tilted against their normal, unreadable voxels.
        DeviceMemoryError: no memory for the voxels.
    """
    files = _largest_series(folder, name)
    headers = [_slice_header(file, name) for file in files]
    check_frames(headers[0], name)
    check_components(headers[0], 1, name)
    _check_alike(headers, folder, name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    try:
        with quiet_itk():
            image: sitk.Image = reader.Execute()
    except RuntimeError as error:
        raise InvalidVolumeError(
            f"{name}: the DICOM series in {folder} cannot be read; a slice is damaged or two have the same place. "
            "Export the series again."
        ) from error
    _check_positions(image, headers, folder, name)
    return image


def _largest_series(folder: Path, name: str) -> tuple[str, ...]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InvalidVolumeError(f"{name}: {folder} may not be read by this user. Change its permissions.")
    # GDCM opens everything that is there, and would wait for ever for what a pipe has to say.
    for entry in os.scandir(folder):
        if not (os.path.isfile(entry) or os.path.isdir(entry)):
            raise InvalidVolumeError(
                f"{name}: {folder} holds {entry.name!r}, which is no file: a pipe, a device or a link that leads "
                "nowhere. Remove it."
            )
        check_name_is_text(entry.path, name, InvalidVolumeError)
    with quiet_itk():
        series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
        files: list[tuple[str, ...]] = [
            sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), identifier) for identifier in series
        ]
    if not series:
        raise InvalidVolumeError(
            f"{name}: {folder} is a folder without DICOM slices. Give an image file, or the folder that holds the "
            "slices of one series itself."
        )
    modalities = [_modality(_slice_header(of_series[0], name)) for of_series in files]
    files = [of_series for of_series, modality in zip(files, modalities) if modality in ("CT", "")]
    if not files:
        raise InvalidVolumeError(
            f"{name}: the DICOM slices in {folder} are {', '.join(sorted(set(modalities)))}, not CT. Give the folder "
            "of a CT series."
        )
    files.sort(key=len, reverse=True)
    if len(files) > 1 and len(files[0]) == len(files[1]):
        raise InvalidVolumeError(
            f"{name}: {folder} holds {len(files)} DICOM series, the two largest with {len(files[0])} slices each, so "
            "it is not clear which one is meant. Put each series into a folder of its own."
        )
    return files[0]


def _modality(header: sitk.ImageFileReader) -> str:
    """Such as "CT"; "" where the file does not say."""
    key = "0008|0060"
    return header.GetMetaData(key).strip() if header.HasMetaDataKey(key) else ""


def _slice_header(file: str, name: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    try:
        with quiet_itk():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise InvalidVolumeError(f"{name}: the DICOM slice {file} cannot be read. Export the series again.") from error
    return reader


def _check_alike(headers: list[sitk.ImageFileReader], folder: Path, name: str) -> None:
    first = headers[0]
    for header in headers[1:]:
        is_alike = (
            header.GetSize() == first.GetSize()
            and np.allclose(header.GetSpacing()[:2], first.GetSpacing()[:2], rtol=1e-4)
            and np.allclose(header.GetDirection(), first.GetDirection(), atol=1e-3)
        )
        if not is_alike:
            raise InvalidVolumeError(
                f"{name}: the slices of the DICOM series in {folder} differ: {first.GetFileName()} has size "
                f"{first.GetSize()} and spacing {first.GetSpacing()}, {header.GetFileName()} {header.GetSize()} and "
                f"{header.GetSpacing()}, or they are oriented differently. Keep the slices of one scan only."
            )


def _check_positions(image: sitk.Image, headers: list[sitk.ImageFileReader], folder: Path, name: str) -> None:
    """Every slice must lie where the stacked image puts it: none missing, doubled or sheared (gantry tilt)."""
    if len(headers) == 1:
        return
    geometry = geometry_of(image)
    slices_ijk = np.arange(len(headers))[:, None] * [0.0, 0.0, 1.0]
    expected_mm = transform_points(geometry.ijk_to_ras, slices_ijk)
    got_mm = np.array([geometry_of(header).origin_ras_mm for header in headers])
    distance_mm = np.linalg.norm(got_mm - expected_mm, axis=1)
    if distance_mm.max() > max(0.1, _POSITION_TOLERANCE * geometry.spacing_mm[2]):
        worst = int(distance_mm.argmax())
        raise InvalidVolumeError(
            f"{name}: the slices of the DICOM series in {folder} are not evenly stacked: "
            f"{headers[worst].GetFileName()} lies {distance_mm[worst]:.2f} mm off its place. "
            "Slices are missing, damaged or doubled, or the gantry was tilted; "
            "export the whole series, or resample it to even slices first."
        )
