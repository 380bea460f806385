"""Displacement fields and initial transforms, from and to ITK's files. ITK's LPS ends here, as in ``image_io``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .displacement_field import DisplacementField, map_points
from .errors import InvalidTransformError, InvalidVolumeError, OutputError
from .geometry import transform_points
from .itk_bridge import FLIP_LPS_RAS, flip_lps_ras, geometry_of, itk_image, itk_memory_in_words, quiet_itk
from .itk_files import IMAGE_SUFFIXES, check_components, read_header, read_voxels, write_image
from .paths import check_is_file, full_suffix
from .transform_copy import not_a_transform, safe_to_read
from .transform_text import check_text_transform

TRANSFORM_SUFFIXES = (".h5", ".hdf5")
DISPLACEMENT_SUFFIXES = TRANSFORM_SUFFIXES + IMAGE_SUFFIXES

_READ_AS_IMAGE = (*IMAGE_SUFFIXES, ".nhdr", ".mhd")
_SMALLEST_DETERMINANT = 1e-6
_HDF5_OVERHEAD_BYTES = 1 << 16

PointMap = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class InitialTransform:
    """A map from fixed to moving points, known before the registration.

    Attributes:
        steps: maps of points (N, 3) RAS mm to points (N, 3) RAS mm; the first is applied first.
        matrix_ras: (4, 4) RAS mm to RAS mm where the whole map is linear, else None.
    """

    steps: tuple[PointMap, ...]
    matrix_ras: np.ndarray | None

    def map_points_ras_mm(self, points_ras_mm: np.ndarray) -> np.ndarray:
        """(N, 3) fixed points to (N, 3) float64 moving points, RAS mm.

        Beyond the grid of a displacement field its edge value is repeated (3D Slicer's way), so that the map has
        no jump there; ITK itself would leave such points where they are.
        """
        points_ras_mm = np.asarray(points_ras_mm, np.float64)
        for step in self.steps:
            points_ras_mm = step(points_ras_mm)
        return points_ras_mm


def write_displacement(path: Path | str, field: DisplacementField) -> None:
    """Write a displacement field as ITK reads it: p -> p + u(p), LPS mm.

    ``.h5`` is an ITK DisplacementFieldTransform in double precision, the other formats are images of vectors.

    Raises:
        OutputError: another format, a disk that is full, a grid that the format cannot hold.
    """
    path = Path(path)
    check_displacement_suffix(path)
    if full_suffix(path) in TRANSFORM_SUFFIXES:
        _write_transform(path, field)
    else:
        write_image(path, flip_lps_ras(field.displacement_ras_mm), field.geometry, is_vector=True)


def check_displacement_suffix(path: Path | str) -> None:
    """Raise OutputError unless the file name ends in a format that displacement fields are written in."""
    suffix = full_suffix(path)
    if suffix in (".tfm", ".txt"):
        raise OutputError(f"{path}: a displacement field as text takes tens of megabytes. Write .h5 instead.")
    if suffix not in DISPLACEMENT_SUFFIXES:
        raise OutputError(
            f"{path}: a transform must end in one of {', '.join(DISPLACEMENT_SUFFIXES)}. Rename the output."
        )


def read_displacement(path: Path | str, name: str = "transform") -> DisplacementField:
    """Read a displacement field: an ITK transform file that holds one, or an image of LPS vectors in mm.

    Raises:
        InvalidTransformError: missing, damaged, another kind of transform, NaN.
    """
    path = Path(path)
    if full_suffix(path) in _READ_AS_IMAGE:
        return _read_vector_image(path, name)
    return _field_in(_read_transform(path, name), path, name)


def read_initial_transform(path: Path | str, name: str = "initial transform") -> InitialTransform:
    """Read any three-dimensional transform that ITK reads, composite ones too, or a displacement image.

    Args:
        path: ITK transform file (.h5, .tfm, .txt, .mat) or an image of LPS vectors in mm. As always in ITK it maps
            points of the fixed image to points of the moving image.
        name: what messages call it.

    Raises:
        InvalidTransformError: missing, damaged, no transform, two-dimensional, not invertible, NaN.
    """
    path = Path(path)
    if full_suffix(path) in _READ_AS_IMAGE:
        return InitialTransform((partial(map_points, _read_vector_image(path, name)),), None)
    transform = _read_transform(path, name)
    with _named(path, name):
        matrix_ras = _matrix_ras(transform) if transform.IsLinear() else None
        return InitialTransform(tuple(_steps(transform)), matrix_ras)


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Say in which file it is that numbers, a grid or a part of a composite are wrong."""
    try:
        with itk_memory_in_words():
            yield
    except (InvalidTransformError, InvalidVolumeError) as error:
        raise InvalidTransformError(f"{name}: {path}: {error}") from error
    except RuntimeError as error:
        raise InvalidTransformError(
            f"{name}: {path} has a part that SimpleITK cannot use. Save it as a displacement field."
        ) from error


def _steps(transform: sitk.Transform) -> Iterator[PointMap]:
    if transform.IsLinear():
        yield partial(transform_points, _matrix_ras(transform))
    elif isinstance(transform, sitk.DisplacementFieldTransform):
        yield partial(map_points, _field_of(transform.GetDisplacementField()))
    elif isinstance(transform, sitk.CompositeTransform):
        _check_parts(transform)
        # ITK applies the transform that was added last first.
        for index in reversed(range(transform.GetNumberOfTransforms())):
            yield from _steps(transform.GetNthTransform(index))
    else:
        _check_finite(np.array(transform.GetParameters()))
        yield partial(_map_one_by_one, transform)


def _check_parts(composite: sitk.CompositeTransform) -> None:
    """Refuse the kinds of parts that SimpleITK crashes on, not with an error but the whole process."""
    if re.search(r"VelocityField|ExponentialDiffeomorphic", str(composite)):
        raise InvalidTransformError("It has a velocity field as a part. Save it as a displacement field.")


def _map_one_by_one(transform: sitk.Transform, points_ras_mm: np.ndarray) -> np.ndarray:
    mapped_lps_mm = [transform.TransformPoint(point) for point in flip_lps_ras(points_ras_mm).tolist()]
    return flip_lps_ras(np.array(mapped_lps_mm, np.float64).reshape(-1, 3))


def _matrix_ras(transform: sitk.Transform) -> np.ndarray:
    """(4, 4) RAS mm to RAS mm of a linear transform of any kind, from where it takes the origin and the axes."""
    origin_lps_mm = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    axes_lps_mm = np.array([transform.TransformPoint(axis) for axis in np.eye(3).tolist()])
    matrix_lps = np.eye(4)
    matrix_lps[:3, :3] = (axes_lps_mm - origin_lps_mm).T
    matrix_lps[:3, 3] = origin_lps_mm
    _check_finite(matrix_lps)
    determinant = np.linalg.det(matrix_lps[:3, :3])
    if abs(determinant) < _SMALLEST_DETERMINANT:
        raise InvalidTransformError(f"The matrix cannot be inverted, its determinant is {determinant:g}.")
    return FLIP_LPS_RAS @ matrix_lps @ FLIP_LPS_RAS


def _check_finite(numbers: np.ndarray) -> None:
    if not np.isfinite(numbers).all():
        raise InvalidTransformError("Its parameters are NaN or infinite. Write the transform again.")


def _read_transform(path: Path, name: str) -> sitk.Transform:
    check_is_file(path, name, InvalidTransformError)
    check_text_transform(path, name)
    with safe_to_read(path, name) as readable:
        return _read_here(readable, path, name)


def _read_here(readable: Path, path: Path, name: str) -> sitk.Transform:
    """Read a file on which ITK does not crash, and that stands for ``path``."""
    try:
        with quiet_itk():
            transform: sitk.Transform = sitk.ReadTransform(str(readable))
    except RuntimeError as error:
        raise InvalidTransformError(not_a_transform(path, name)) from error
    if transform.GetDimension() != 3:
        raise InvalidTransformError(
            f"{name}: {path} holds a transform of {transform.GetDimension()} dimensions, expected 3."
        )
    return transform


def _read_vector_image(path: Path, name: str) -> DisplacementField:
    try:
        header = read_header(path, name)
        check_components(header, 3, name)
        image = read_voxels(header, name)
    except InvalidVolumeError as error:
        raise InvalidTransformError(str(error)) from error
    with _named(path, name):
        return _field_of(image)


def _field_in(transform: sitk.Transform, path: Path, name: str) -> DisplacementField:
    if not isinstance(transform, sitk.DisplacementFieldTransform):
        raise InvalidTransformError(
            f"{name}: {path} holds one of type {transform.GetName()}, expected a displacement field."
        )
    with _named(path, name):
        return _field_of(transform.GetDisplacementField())


def _field_of(image: sitk.Image) -> DisplacementField:
    """The field of an ITK image of LPS vectors; raises InvalidTransformError where they are NaN."""
    return DisplacementField(flip_lps_ras(sitk.GetArrayViewFromImage(image)), geometry_of(image))


def _write_transform(path: Path, field: DisplacementField) -> None:
    try:
        _reserve(path, 2 * field.displacement_ras_mm.nbytes + _HDF5_OVERHEAD_BYTES)
        with quiet_itk():
            sitk.WriteTransform(_itk_transform(field), str(path))
        is_same = _holds(_read_here(path, path, "output"), field)
    except (RuntimeError, OSError, InvalidTransformError) as error:
        raise OutputError(f"{path} could not be written whole. Is the disk full, or the folder read-only?") from error
    if not is_same:
        raise OutputError(f"{path} differs from what was written to it. Is the disk full or failing?")


def _itk_transform(field: DisplacementField) -> sitk.DisplacementFieldTransform:
    vectors_lps_mm = field.displacement_ras_mm.astype(np.float64)
    vectors_lps_mm[..., :2] *= -1  # RAS to LPS, in place: ITK's copies of a fine field take enough memory
    # The transform takes the image over: no second copy of the field.
    return sitk.DisplacementFieldTransform(itk_image(vectors_lps_mm, field.geometry, is_vector=True))


def _holds(transform: sitk.Transform, field: DisplacementField) -> bool:
    """Whether a transform that was read is the field that was written."""
    if not isinstance(transform, sitk.DisplacementFieldTransform):
        return False
    image = transform.GetDisplacementField()
    slices = zip(sitk.GetArrayViewFromImage(image), field.displacement_ras_mm)
    return image.GetSize() == field.geometry.shape_kji[::-1] and all(
        np.array_equal(flip_lps_ras(written), expected) for written, expected in slices
    )


def _reserve(path: Path, size: int) -> None:
    """Raise OSError where the disk has no room for a file of this size.

    HDF5 must not be the one to find out: a file that it cannot finish stays open, and crashes the process at its end.
    """
    block = os.urandom(1 << 20)  # not zeros, which some file systems store in no space
    with open(path, "wb") as file:
        file.writelines(block[: size - start] for start in range(0, size, len(block)))
        file.flush()
        os.fsync(file.fileno())
