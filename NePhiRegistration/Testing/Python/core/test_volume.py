"""What makes an array a CT that can be registered, and what the user is told where it is none."""

import numpy as np
import pytest

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume, check_volume


def volume(hu, name="moving") -> Volume:
    return Volume(hu, ImageGeometry(hu.shape, np.eye(4)), name)


def ramp(shape=(8, 9, 10), dtype=np.int16) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 100).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float16, np.float32, np.float64])
def test_a_ct_of_eight_voxels_a_side_is_taken_whatever_its_dtype(dtype):
    check_volume(volume(ramp((8, 8, 8), dtype)))


@pytest.mark.parametrize("shape", [(9, 10), (2, 8, 9, 10)])
def test_an_array_that_is_not_three_dimensional_is_refused(shape):
    geometry = ImageGeometry((8, 9, 10), np.eye(4))
    with pytest.raises(InvalidVolumeError, match="^fixed: a three-dimensional image.*Colour, vector and time series"):
        Volume(np.zeros(shape), geometry, "fixed")


def test_an_array_of_another_shape_than_its_geometry_is_refused():
    with pytest.raises(InvalidVolumeError, match=r"^fixed: .*\(10, 9, 8\), its geometry \(8, 9, 10\)"):
        Volume(np.zeros((10, 9, 8)), ImageGeometry((8, 9, 10), np.eye(4)), "fixed")


@pytest.mark.parametrize("shape", [(7, 9, 10), (8, 7, 10), (8, 9, 7), (1, 512, 512)])
def test_a_slice_is_refused_with_its_size_in_the_order_i_j_k(shape):
    size = ", ".join(map(str, shape[::-1]))
    with pytest.raises(InvalidVolumeError, match=rf"^moving: got \({size}\) voxels; at least 8 .*single slice"):
        check_volume(volume(ramp(shape)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_that_are_no_number_are_counted(bad, dtype):
    hu = ramp(dtype=dtype)
    hu[1, 2, 3] = hu[7, 8, 9] = bad
    with pytest.raises(InvalidVolumeError, match="^moving: 2 voxels are NaN or infinite. Replace them"):
        check_volume(volume(hu))


def test_a_constant_image_is_refused_with_its_value():
    with pytest.raises(InvalidVolumeError, match="^moving: every voxel is -1000; a constant image"):
        check_volume(volume(np.full((8, 8, 8), -1000, np.int16)))


def test_one_voxel_that_differs_is_no_constant_image():
    hu = np.full((8, 8, 8), -1000, np.int16)
    hu[7, 7, 7] = -999
    check_volume(volume(hu))


def test_voxels_wider_than_any_cts_are_refused():
    hu = np.random.default_rng(0).integers(-1000, 100, (9, 10, 11)).astype(np.int16)
    check_volume(Volume(hu, ImageGeometry.from_spacing(hu.shape, (2.0, 2.0, 10.0))))
    with pytest.raises(InvalidVolumeError, match="other units"):
        check_volume(Volume(hu, ImageGeometry.from_spacing(hu.shape, 2000.0)))
