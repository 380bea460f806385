"""The coordinate networks on a grid: evaluated in and around the lungs, read from a lattice elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from .coordinate_network import CoordinateNetwork
from .displacement_field import DisplacementField
from .geometry import ImageGeometry, transform_points
from .latent_code import LatentCode
from .sampling import cube_grid, read_image

Tensor = torch.Tensor

CHUNK_POINTS, DEVICE_CHUNK_POINTS = 4096, 262_144  # between two looks at the progress
LATTICE_STEPS = 2  # of the lattice, to one of the local code: the code's own samples lie on it


@torch.no_grad()
def evaluate_map(
    network: CoordinateNetwork,
    code: LatentCode,
    from_norm_to_ras: np.ndarray,
    to_norm_to_ras: np.ndarray,
    geometry: ImageGeometry,
    on_chunk: Callable[[float], None] = lambda share: None,
    chunk_points: int | None = None,
    fine: np.ndarray | None = None,
) -> DisplacementField:
    """u(p) = T(p) - p of one of the model's maps at every voxel of a grid.

    Memory beyond the result is that of `chunk_points` points and the lattice, whatever the grid.

    Args:
        network, code: the map, in cube units.
        from_norm_to_ras, to_norm_to_ras: (4, 4), where the cubes of the two images lie.
        geometry: the grid, in the space of the image that the map starts from.
        on_chunk: told the share done, (0, 1]; may raise to stop.
        chunk_points: points evaluated at once; chosen for the device where it is None.
        fine: (K, J, I) bool, voxels of the grid at which the network itself is evaluated; all where it is None.
            The others are read linearly from a lattice over the cube, a few hundredths of a millimetre off.
    """
    device = code.local_code.device
    chunk_points = chunk_points or (CHUNK_POINTS if device.type == "cpu" else DEVICE_CHUNK_POINTS)
    grid = _GridBetweenCubes(geometry, from_norm_to_ras, to_norm_to_ras)
    lattice_points = cube_grid((LATTICE_STEPS * (code.local_code.shape[2] - 1) + 1,) * 3, device)
    coarse = np.zeros(0, int) if fine is None else np.flatnonzero(~fine)
    if 3 * len(coarse) < lattice_points.numel():
        lattice_points, coarse, fine = lattice_points[:0], coarse[:0], None
    exact = np.arange(geometry.voxel_count) if fine is None else np.flatnonzero(fine)
    evaluate = _Evaluation(network, code, on_chunk, len(exact) + lattice_points.numel() // 3)
    field = np.empty((geometry.voxel_count, 3), np.float32)
    if len(coarse):
        parts = lattice_points.reshape(-1, 3).split(chunk_points)
        lattice = torch.cat([evaluate(part) for part in parts]).reshape(lattice_points.shape).movedim(-1, 0)[None]
        for index in _chunks(coarse, chunk_points):
            points = grid.points_norm(index, device).clamp(-1, 1)
            field[index] = grid.displacement_ras_mm(index, read_image(lattice, points[None])[0])
    for index in _chunks(exact, chunk_points):
        field[index] = grid.displacement_ras_mm(index, evaluate(grid.points_norm(index, device).clamp(-1, 1)))
    return DisplacementField(field.reshape(*geometry.shape_kji, 3), geometry)


class _GridBetweenCubes:
    """Voxels of a grid by their number, as points of one cube; and what a displacement in cube units moves them.

    Differences of large coordinates are taken in float64: an image may lie a metre from the scanner's origin.
    """

    def __init__(self, geometry: ImageGeometry, from_norm_to_ras: np.ndarray, to_norm_to_ras: np.ndarray) -> None:
        self._shape = geometry.shape_kji
        self._ijk_to_norm = np.linalg.inv(from_norm_to_ras) @ geometry.ijk_to_ras
        self._ijk_to_shift_ras = to_norm_to_ras @ self._ijk_to_norm - geometry.ijk_to_ras  # of cube on cube alone
        self._norm_to_ras = to_norm_to_ras

    def points_norm(self, index: np.ndarray, device: torch.device) -> Tensor:
        """(N, 3) float32."""
        points = transform_points(self._ijk_to_norm, self._ijk(index))
        return torch.from_numpy(points.astype(np.float32)).to(device)

    def displacement_ras_mm(self, index: np.ndarray, shift_norm: Tensor) -> np.ndarray:
        """(N, 3) float64."""
        shift_ras = shift_norm.double().cpu().numpy() @ self._norm_to_ras[:3, :3].T
        displacement: np.ndarray = transform_points(self._ijk_to_shift_ras, self._ijk(index)) + shift_ras
        return displacement

    def _ijk(self, index: np.ndarray) -> np.ndarray:
        return np.stack(np.unravel_index(index, self._shape)[::-1], -1)


class _Evaluation:
    """A network at points of the cube, with its code, telling how far it is."""

    def __init__(
        self, network: CoordinateNetwork, code: LatentCode, on_chunk: Callable[[float], None], total: int
    ) -> None:
        self._network, self._code = network, code
        self._on_chunk, self._total, self._done = on_chunk, total, 0

    def __call__(self, points_norm: Tensor) -> Tensor:
        """(N, 3) -> (N, 3) displacement, cube units."""
        shift: Tensor = self._network(points_norm[None], self._code)[0]
        self._done += len(points_norm)
        self._on_chunk(self._done / self._total)
        return shift


def _chunks(index: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (index[first : first + size] for first in range(0, len(index), size))
