"""The coordinate networks on a grid: evaluated in and around the lungs, read from a lattice elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from .coordinate_network import CoordinateNetwork
from .device import in_parts_that_fit
from .displacement_field import DisplacementField, map_points
from .geometry import ImageGeometry, transform_points
from .latent_code import LatentCode
from .sampling import cube_grid, read_image

Tensor = torch.Tensor

CHUNK_POINTS, DEVICE_CHUNK_POINTS = 4096, 65_536  # between two looks at the progress
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
        chunk_points: points evaluated at once; chosen for the device where it is None, and fewer where memory is short.
        fine: (K, J, I) bool, voxels of the grid at which the network itself is evaluated; all where it is None.
            The others are read linearly from a lattice over the cube, a few hundredths of a millimetre off.
    """
    device = code.local_code.device
    chunk_points = chunk_points or (CHUNK_POINTS if device.type == "cpu" else DEVICE_CHUNK_POINTS)
    grid = _GridBetweenCubes(geometry, from_norm_to_ras, to_norm_to_ras, device)
    lattice_points = cube_grid((LATTICE_STEPS * (code.local_code.shape[2] - 1) + 1,) * 3, device)
    coarse = np.zeros(0, int) if fine is None else np.flatnonzero(~fine)
    if 3 * len(coarse) < lattice_points.numel():
        lattice_points, coarse, fine = lattice_points[:0], coarse[:0], None
    exact = np.arange(geometry.voxel_count) if fine is None else np.flatnonzero(fine)
    exact_there, coarse_there = (torch.from_numpy(voxels).to(device) for voxels in (exact, coarse))
    evaluate = partial(_Evaluation, network, code, on_chunk, len(exact) + lattice_points.numel() // 3)

    def displacements(at_once: int) -> Tensor:
        return _displacements(evaluate(), grid, lattice_points, exact_there, coarse_there, at_once)

    field = in_parts_that_fit(displacements, chunk_points, device)
    return DisplacementField(field.cpu().numpy().reshape(*geometry.shape_kji, 3), geometry)


@torch.no_grad()
def interpolation_error_mm(
    network: CoordinateNetwork,
    code: LatentCode,
    from_norm_to_ras: np.ndarray,
    to_norm_to_ras: np.ndarray,
    field: DisplacementField,
    points_ras_mm: np.ndarray,
) -> np.ndarray:
    """How far a field of `evaluate_map`, read linearly between the points of its grid, is off the map that it holds.

    Args:
        network, code, from_norm_to_ras, to_norm_to_ras: the map, as there.
        field: what that returned.
        points_ras_mm: (N, 3) anywhere in the field's grid.

    Returns:
        (N,) mm.
    """
    from_norm = transform_points(np.linalg.inv(from_norm_to_ras), points_ras_mm)
    points_norm = torch.from_numpy(from_norm.astype(np.float32)).to(code.local_code.device)
    shift_norm = network(points_norm.clamp(-1, 1)[None], code)[0].cpu().numpy()
    mapped_ras_mm = transform_points(to_norm_to_ras, from_norm + shift_norm)
    distance_mm: np.ndarray = np.linalg.norm(map_points(field, points_ras_mm) - mapped_ras_mm, axis=1)
    return distance_mm


def _displacements(
    evaluate: _Evaluation, grid: _GridBetweenCubes, lattice_points: Tensor, exact: Tensor, coarse: Tensor, at_once: int
) -> Tensor:
    """(N, 3) mm: displacements of all voxels of a grid, exact ones from the networks, coarse ones from the lattice.

    Args:
        lattice_points: (n, n, n, 3) of the cube; none where there are no coarse voxels.
        exact, coarse: numbers of the voxels; every voxel is one of them.
        at_once: points.
    """
    field = lattice_points.new_empty(len(exact) + len(coarse), 3)
    if len(coarse):
        parts = lattice_points.reshape(-1, 3).split(at_once)
        lattice = torch.cat([evaluate(part) for part in parts]).reshape(lattice_points.shape).movedim(-1, 0)[None]
        for index in coarse.split(at_once):
            points = grid.points_norm(index).clamp(-1, 1)
            field[index] = grid.displacement_ras_mm(index, read_image(lattice, points[None])[0])
    for index in exact.split(at_once):
        field[index] = grid.displacement_ras_mm(index, evaluate(grid.points_norm(index).clamp(-1, 1)))
    return field


class _GridBetweenCubes:
    """Voxels of a grid by their number, as points of one cube; and what a displacement in cube units moves them.

    Differences of large coordinates are taken in float64, once for the grid: an image may lie a metre from the
    scanner's origin. What is left is small, and float32, which every device has, is exact to 1e-4 mm.
    """

    def __init__(
        self, geometry: ImageGeometry, from_norm_to_ras: np.ndarray, to_norm_to_ras: np.ndarray, device: torch.device
    ) -> None:
        _, *self._sizes = geometry.shape_kji
        ijk_to_norm = np.linalg.inv(from_norm_to_ras) @ geometry.ijk_to_ras
        ijk_to_shift_ras = to_norm_to_ras @ ijk_to_norm - geometry.ijk_to_ras  # of cube on cube alone
        self._to_norm, self._to_shift_ras = _affine(ijk_to_norm, device), _affine(ijk_to_shift_ras, device)
        self._norm_to_ras, _ = _affine(to_norm_to_ras, device)

    def points_norm(self, index: Tensor) -> Tensor:
        """(N,) -> (N, 3)."""
        columns, shift = self._to_norm
        return torch.addmm(shift, self._ijk(index), columns)

    def displacement_ras_mm(self, index: Tensor, shift_norm: Tensor) -> Tensor:
        """(N,), (N, 3) -> (N, 3)."""
        columns, shift = self._to_shift_ras
        return torch.addmm(torch.addmm(shift, self._ijk(index), columns), shift_norm, self._norm_to_ras)

    def _ijk(self, index: Tensor) -> Tensor:
        rows, columns = self._sizes
        slices = index.div(rows * columns, rounding_mode="floor")
        lines = index.div(columns, rounding_mode="floor")
        return torch.stack([index - lines * columns, lines - slices * rows, slices], -1).float()


def _affine(matrix: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """A 4 x 4 matrix as what points (N, 3) are multiplied by, (3, 3), and what is then added, (3,)."""
    there = torch.from_numpy(matrix[:3].astype(np.float32)).to(device)
    return there[:, :3].T, there[:, 3]


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
