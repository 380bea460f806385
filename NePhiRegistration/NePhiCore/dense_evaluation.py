"""The coordinate networks, evaluated at every point of a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .coordinate_network import CoordinateNetwork
from .displacement_field import DisplacementField
from .geometry import ImageGeometry
from .latent_code import LatentCode
from .model import map_points

CHUNK_POINTS = 32_768


@torch.no_grad()
def evaluate_map(
    network: CoordinateNetwork,
    code: LatentCode,
    from_norm_to_ras: np.ndarray,
    to_norm_to_ras: np.ndarray,
    geometry: ImageGeometry,
    on_chunk: Callable[[float], None] = lambda share: None,
    chunk_points: int = CHUNK_POINTS,
) -> DisplacementField:
    """u(p) = T(p) - p of one of the model's maps at every voxel of a grid.

    Memory beyond the result is that of `chunk_points` points, whatever the grid.

    Args:
        network, code: the map, in cube units.
        from_norm_to_ras, to_norm_to_ras: (4, 4), where the cubes of the two images lie.
        geometry: the grid, in the space of the image that the map starts from.
        on_chunk: told the share done, (0, 1]; may raise to stop.
        chunk_points: points evaluated at once.
    """
    device = code.local_code.device
    rows, columns, _ = geometry.shape_kji
    ijk_to_norm = np.linalg.inv(from_norm_to_ras) @ geometry.ijk_to_ras
    result = np.empty((*geometry.shape_kji, 3), np.float32)
    flat = result.reshape(-1, 3)
    slice_voxels = columns * geometry.shape_kji[2]
    total = rows * slice_voxels
    for first in range(0, total, chunk_points):
        index = np.arange(first, min(first + chunk_points, total))
        ijk = np.stack(
            [index % geometry.shape_kji[2], index // geometry.shape_kji[2] % columns, index // slice_voxels], -1
        )
        points_norm = ijk @ ijk_to_norm[:3, :3].T + ijk_to_norm[:3, 3]
        mapped = map_points(network, torch.tensor(points_norm, dtype=torch.float32, device=device)[None], code)[0]
        # Differences of large coordinates are taken in float64: an image may lie a metre from the scanner's origin.
        shift_norm = mapped.double().cpu().numpy() - points_norm.astype(np.float32)
        start_ras = ijk @ geometry.ijk_to_ras[:3, :3].T + geometry.ijk_to_ras[:3, 3]
        end_norm = points_norm + shift_norm
        flat[index] = end_norm @ to_norm_to_ras[:3, :3].T + to_norm_to_ras[:3, 3] - start_ras
        on_chunk((index[-1] + 1) / total)
    return DisplacementField(result, geometry)
