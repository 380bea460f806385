"""From a CT image to what the network and the losses see: the lungs in a cube.

The cube [-1, 1]^3 is laid around the lungs along the patient's axes, so that the
position, the size, the orientation and the field of view of the image do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .axis_products import along_axis, linear_weights
from .errors import InvalidVolumeError
from .geometry import ImageGeometry, transform_points
from .sampling import read_image
from .volume import Volume

Tensor = torch.Tensor

MARGIN_MM = 12.0
LUNG_WINDOW = (-1000.0, 0.0)  # HU
_ALIGNED_VOXELS = 1e-3  # an axis is the image's own where half the cube leaves it by less
_RIM_VOXELS = 1e-2
_VALUES_AT_ONCE = 2_000_000
_SENT_AS_THEY_ARE = (np.int16, np.bool_)  # what most images and masks are: half and a quarter of float32
_NORM_TO_RAS_AXES = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)  # columns z, y, x of norm in R, A, S


@dataclass(frozen=True, eq=False)
class CubeImage:
    """An image resampled over the cube.

    Attributes:
        image: (1, 1, D, H, W) float32, HU window mapped to [0, 1].
        lungs: (1, 1, D, H, W) float32, share of lung in each voxel, [0, 1].
        norm_to_ras: (4, 4) float64, cube (z, y, x, 1) to RAS mm.
    """

    image: Tensor
    lungs: Tensor
    norm_to_ras: np.ndarray

    @property
    def cell_norm(self) -> Tensor:
        """(3,) width of a voxel in cube units, (z, y, x)."""
        return torch.tensor([2.0 / max(1, n - 1) for n in self.image.shape[2:]], device=self.image.device)


def place_cube(lungs: np.ndarray, geometry: ImageGeometry, margin_mm: float = MARGIN_MM) -> np.ndarray:
    """Lay the cube around the lungs, along the patient's axes.

    Args:
        lungs: (K, J, I) bool.
        margin_mm: free space around the lungs on each side.

    Returns:
        (4, 4) float64 norm_to_ras, cube (z, y, x, 1) to RAS mm.

    Raises:
        InvalidVolumeError: the mask is empty.
    """
    if not lungs.any():
        raise InvalidVolumeError("The lung mask is empty; give a mask that marks the lungs.")
    k, j = np.nonzero(lungs.any(2))
    rows = lungs[k, j]  # of each row of voxels the outermost two say where the box has to reach
    ends_ijk = [np.stack([i, j, k], 1) for i in (rows.argmax(1), lungs.shape[2] - 1 - rows[:, ::-1].argmax(1))]
    points_ras_mm = transform_points(geometry.ijk_to_ras, np.concatenate(ends_ijk).astype(float))
    low, high = points_ras_mm.min(0) - margin_mm, points_ras_mm.max(0) + margin_mm
    norm_to_ras = np.eye(4)
    norm_to_ras[:3, :3] = np.diag((high - low) / 2) @ _NORM_TO_RAS_AXES
    norm_to_ras[:3, 3] = (high + low) / 2
    return norm_to_ras


def cube_shape(norm_to_ras: np.ndarray, spacing_mm: float) -> tuple[int, int, int]:
    """(D, H, W) voxels that sample the cube at about the spacing asked for."""
    extent_mm = 2 * np.linalg.norm(norm_to_ras[:3, :3], axis=0)
    depth, height, width = (int(max(8, round(e / spacing_mm) + 1)) for e in extent_mm)
    return depth, height, width


def to_cube(
    volume: Volume,
    lungs: np.ndarray,
    norm_to_ras: np.ndarray,
    shape: tuple[int, int, int],
    hu_window: tuple[float, float] = LUNG_WINDOW,
    device: torch.device | str = "cpu",
) -> CubeImage:
    """An image and its lung mask over the cube: `resampled` and `in_window`."""
    hu, mask = resampled(volume, lungs, norm_to_ras, shape, device)
    return CubeImage(in_window(hu, hu_window), mask, norm_to_ras)


def resampled(
    volume: Volume,
    lungs: np.ndarray,
    norm_to_ras: np.ndarray,
    shape: tuple[int, int, int],
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Resample an image and its lung mask over the cube, averaging where the cube is coarser than the image.

    Args:
        volume: HU.
        lungs: (K, J, I) bool on the volume's grid.
        norm_to_ras: (4, 4), where the cube lies.
        shape: (D, H, W) of the result.
        device: what resamples, and holds the result.

    Returns:
        HU and share of lung, (1, 1, D, H, W) float32 each; outside the image's field of view the edge goes on,
        without lung.
    """
    source_to_ijk = volume.geometry.ras_to_ijk @ norm_to_ras
    factors = _averaging_factors(source_to_ijk, shape)
    hu = _resample(volume.hu, source_to_ijk, shape, factors, "border", device)
    return hu, _resample(lungs, source_to_ijk, shape, factors, "zeros", device)


def in_window(hu: Tensor, hu_window: tuple[float, float] = LUNG_WINDOW) -> Tensor:
    """Map a window of HU to [0, 1]; what lies beyond is clamped."""
    low, high = hu_window
    return ((hu.clamp(low, high) - low) / (high - low)).float()


def _averaging_factors(norm_to_ijk: np.ndarray, shape: tuple[int, int, int]) -> list[int]:
    """How many samples to average along each axis of the cube so that no source voxel is passed over."""
    step_ijk = np.abs(norm_to_ijk[:3, :3]) * (2.0 / (np.array(shape) - 1))
    return [int(max(1, min(8, round(s)))) for s in step_ijk.max(0)]


def _resample(
    array: np.ndarray,
    norm_to_ijk: np.ndarray,
    shape: tuple[int, int, int],
    factors: list[int],
    padding: str,
    device: torch.device | str,
) -> Tensor:
    """Average of factors[0] x factors[1] x factors[2] trilinear readings a voxel."""
    crop, offset_ijk = _crop_to_cube(array, norm_to_ijk, shape)
    crop_to_norm = _shift(-offset_ijk) @ norm_to_ijk
    axes = [_sub_positions(n, f) for n, f in zip(shape, factors)]
    across = np.abs(crop_to_norm[:3, :3])
    order = across.argmax(0)
    across[order, range(3)] = 0
    if sorted(order) == [0, 1, 2] and across.sum(1).max() < _ALIGNED_VOXELS:
        return _resample_aligned(crop, crop_to_norm, order, axes, factors, padding, device)
    return _resample_oblique(crop, crop_to_norm, axes, factors, padding, device)


def _resample_aligned(
    crop: np.ndarray,
    norm_to_ijk: np.ndarray,
    order: np.ndarray,
    axes: list[Tensor],
    factors: list[int],
    padding: str,
    device: torch.device | str,
) -> Tensor:
    """Where the axes of the cube are those of the image, `order` says which, reading is one matrix an axis."""
    matrices = []
    for positions, axis, column, factor in zip(axes, order, range(3), factors):
        positions_ijk = positions * norm_to_ijk[axis, column] + norm_to_ijk[axis, 3]
        size = crop.shape[2 - axis]
        weights = linear_weights(positions_ijk, size)
        if padding == "zeros":
            inside = (positions_ijk >= -_RIM_VOXELS) & (positions_ijk <= size - 1 + _RIM_VOXELS)
            weights = weights * inside[:, None]
        matrices.append(weights.unflatten(0, (-1, factor)).mean(1).float().to(device))
    crop = crop.transpose(2 - order)
    slabs = []
    step = max(1, _VALUES_AT_ONCE // (crop.shape[1] * crop.shape[2]))
    for first in range(0, len(crop), step):
        slab = _sent(crop[first : first + step], device)
        slabs.append(along_axis(along_axis(slab, matrices[2], 4), matrices[1], 3))
    return along_axis(torch.cat(slabs, 2), matrices[0], 2)


def _resample_oblique(
    crop: np.ndarray,
    norm_to_ijk: np.ndarray,
    axes: list[Tensor],
    factors: list[int],
    padding: str,
    device: torch.device | str,
) -> Tensor:
    """Point by point, one slab of the cube at a time."""
    size_ijk = np.array(crop.shape[::-1])
    source = _sent(crop, device)
    to_unit = np.diag([*(2.0 / np.maximum(size_ijk - 1, 1)), 1.0]) @ norm_to_ijk
    matrix = torch.tensor(to_unit[[2, 1, 0]])
    along = [positions[:, None] * column for positions, column in zip(axes, matrix.T)]
    along[0] = along[0] + matrix[:, 3] - 1
    along_z, along_y, along_x = (part.float().to(device) for part in along)
    rows = []
    for z in along_z.split(factors[0] * max(1, _VALUES_AT_ONCE // (len(axes[1]) * len(axes[2]) * factors[0]))):
        unit = z[:, None, None] + along_y[:, None] + along_x
        values = read_image(source, unit.reshape(1, -1, 3)).reshape(1, 1, *unit.shape[:3])
        if padding == "zeros":
            values = values * (unit.abs().amax(-1) <= 1 + 1e-4)
        rows.append(F.avg_pool3d(values, tuple(factors)))
    return torch.cat(rows, 2)


def _sent(array: np.ndarray, device: torch.device | str) -> Tensor:
    """(1, 1, K, J, I) float32 on the device."""
    if array.dtype not in _SENT_AS_THEY_ARE:
        array = array.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(array))[None, None].to(device).float()


def _crop_to_cube(
    array: np.ndarray, norm_to_ijk: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The part of an array that the cube's voxels touch, and the index (i, j, k) of its first voxel."""
    # The outermost voxels of the cube reach half of their width beyond it.
    corners = np.stack(np.meshgrid(*([-1.0, 1.0] for _ in shape), indexing="ij"), -1).reshape(-1, 3)
    corners = corners * (1 + 1 / (np.array(shape) - 1))
    corners_ijk = transform_points(norm_to_ijk, corners)
    size_ijk = np.array(array.shape[::-1])
    low = np.clip(np.floor(corners_ijk.min(0)).astype(int) - 1, 0, size_ijk - 2)
    high = np.clip(np.ceil(corners_ijk.max(0)).astype(int) + 2, low + 2, size_ijk)
    return array[low[2] : high[2], low[1] : high[1], low[0] : high[0]], low


def _shift(offset_ijk: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = offset_ijk
    return matrix


def _sub_positions(count: int, factor: int) -> Tensor:
    """(count * factor,) float64 positions in [-1, 1], `factor` of them spread evenly over each voxel."""
    centre = torch.linspace(-1, 1, count, dtype=torch.float64)
    within = (torch.arange(factor, dtype=torch.float64) + 0.5) / factor - 0.5
    return (centre[:, None] + within * (2.0 / (count - 1))).flatten()
