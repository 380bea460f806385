"""CT images and masks, from and to files. ITK's LPS ends here: what comes out is RAS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .dicom_series import read_dicom_series
from .errors import InvalidVolumeError
from .geometry import ImageGeometry
from .itk_bridge import geometry_of
from .itk_files import SAME_PLACE_MM, check_components, peek_header, read_header, read_voxels, write_image
from .nifti_place import place_doubt
from .volume import Volume, check_volume


def read_volume(path: Path | str, name: str = "image") -> Volume:
    """Read a CT image: NRRD, NIfTI, MetaImage, a folder of DICOM slices, or what else SimpleITK reads.

    Args:
        path: file, or folder of one DICOM series.
        name: what messages call the image ("fixed", "moving").

    Returns:
        Volume with the voxels as stored, after the file's own rescaling to HU; 64-bit float becomes 32-bit.

    Raises:
        InvalidVolumeError: missing, truncated or no image; not three-dimensional and scalar; absurdly large;
            spacing or direction that is no geometry; voxels that cannot be a CT (see ``check_volume``).
    """
    path = Path(path)
    voxels, geometry = _read_scalars(path, name)
    volume = Volume(voxels, geometry, name, "" if path.is_dir() else place_doubt(path))
    check_volume(volume)
    return volume


def read_mask(path: Path | str, geometry: ImageGeometry, name: str = "mask") -> np.ndarray:
    """Read a mask that lies on the grid of its image.

    Args:
        path: file, or folder of one DICOM series.
        geometry: grid of the image that the mask belongs to.
        name: what messages call the mask.

    Returns:
        (K, J, I) bool, True where the file is not 0.

    Raises:
        InvalidVolumeError: no image, as in ``read_volume``; an empty mask; NaN in it; a mask on another grid.
    """
    voxels, own_geometry = _read_scalars(Path(path), name)
    check_mask_grid(path, own_geometry, geometry, name)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise InvalidVolumeError(f"{name}: {path} holds NaN or infinite voxels. Write 0 outside the lungs, 1 inside.")
    mask: np.ndarray = voxels != 0
    if not mask.any():
        raise InvalidVolumeError(f"{name}: {path} is empty, every voxel is 0. Mark the lungs with any other value.")
    return mask


def peek_geometry(path: Path | str, name: str) -> ImageGeometry | None:
    """What the header of an image file says of its grid, for a look at many files; None for a folder.

    Raises:
        InvalidVolumeError: what ``read_volume`` would refuse for its header; a folder that is empty.
    """
    path = Path(path)
    if path.is_dir():
        if not any(path.iterdir()):
            raise InvalidVolumeError(
                f"{name}: {path} is an empty folder. Give an image file or a folder of DICOM slices."
            )
        return None
    header = peek_header(path, name)
    check_components(header, 1, name)
    return geometry_of(header)


def check_mask_grid(path: Path | str, geometry: ImageGeometry, image: ImageGeometry, name: str) -> None:
    """Raise InvalidVolumeError unless a mask lies on the grid of its image."""
    if not geometry.is_same_grid(image, SAME_PLACE_MM):
        raise InvalidVolumeError(
            f"{name}: {path} is on another grid than its image.\n  mask:  {_in_words(geometry)}\n"
            f"  image: {_in_words(image)}\nResample the mask to the image with nearest-neighbour interpolation."
        )


def write_volume(path: Path | str, array: np.ndarray, geometry: ImageGeometry) -> None:
    """Write voxels (K, J, I) on a grid as .nrrd, .nii, .nii.gz or .mha; bool becomes 0 and 1 of 8 bits.

    Raises:
        OutputError: another format, a disk that is full, a grid that the format cannot hold.
    """
    write_image(Path(path), array.astype(np.uint8) if array.dtype == bool else array, geometry)


def _read_scalars(path: Path, name: str) -> tuple[np.ndarray, ImageGeometry]:
    """(K, J, I) voxels and geometry of a scalar image file or DICOM folder."""
    if path.is_dir():
        image = read_dicom_series(path, name)
    else:
        header = read_header(path, name)
        check_components(header, 1, name)
        image = read_voxels(header, name)
    voxels, geometry = sitk.GetArrayFromImage(image), geometry_of(image)
    del image  # its memory is wanted where the voxels are copied once more
    return voxels.astype(np.float32) if voxels.dtype == np.float64 else voxels, geometry


def _in_words(geometry: ImageGeometry) -> str:
    size = " x ".join(map(str, geometry.shape_kji[::-1]))
    spacing, origin = (np.round(v, 4).tolist() for v in (geometry.spacing_mm, geometry.origin_ras_mm))
    return f"{size} voxels, spacing {spacing} mm, origin (RAS) {origin} mm"
