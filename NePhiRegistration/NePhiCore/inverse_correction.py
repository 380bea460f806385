"""The written inverse: the learned one, brought closer to the exact one."""

from __future__ import annotations

import numpy as np
import torch

from .device import in_parts_that_fit
from .displacement_field import DisplacementField
from .geometry import ImageGeometry
from .sampling import read_image
from .side_by_side import side_by_side

Tensor = torch.Tensor

_FADING_VOXELS = 2.0
_POINTS_AT_ONCE, _DEVICE_POINTS_AT_ONCE = 1 << 17, 1 << 20


@torch.no_grad()
def corrected_inverse(
    inverse: DisplacementField, forward: DisplacementField, steps: int = 1, device: torch.device | str = "cpu"
) -> DisplacementField:
    """Steps of a fixed-point iteration from a good inverse towards the exact one.

    With the residual r(p) = forward(inverse(p)) - p a step is p -> inverse(p - r(p)): forward takes that to
    p - r(p) + r(p - r(p)), so what is left is the change of r over its own length. It folds nothing as long as r
    changes by less than itself, which is what gradient inverse consistency asks. Where the inverse leaves the grid of
    ``forward`` nothing is known that could correct it; the step fades to none over the last voxels before.

    Args:
        device: what computes.
    """
    geometry = inverse.geometry
    there, field = _FieldSeenFrom(forward, geometry, device), _FieldSeenFrom(inverse, geometry, device)
    slices, rows, columns = geometry.shape_kji

    def correct(points_at_once: int) -> Tensor:
        step = max(1, points_at_once // (rows * columns))
        parts = (slice(first, min(first + step, slices)) for first in range(0, slices, step))
        return torch.cat(side_by_side(_corrected, *((field, there, part) for part in parts)))

    device = torch.device(device)
    at_once = _POINTS_AT_ONCE if device.type == "cpu" else _DEVICE_POINTS_AT_ONCE
    for _ in range(steps):
        field.displacement = in_parts_that_fit(correct, at_once, device)
    return DisplacementField(field.displacement.cpu().numpy(), geometry)


def _corrected(inverse: _FieldSeenFrom, forward: _FieldSeenFrom, slices: slice) -> Tensor:
    """(k, j, i, 3) mm: the inverse after one step, in some slices of its grid."""
    first = inverse.displacement[slices]
    mapped = forward.positions(slices, first)
    known = (forward.depth(mapped) / _FADING_VOXELS).clamp(0, 1)
    residual = (first + forward.read(mapped)) * known
    return inverse.read(inverse.positions(slices, -residual)) - residual


class _FieldSeenFrom:
    """A field that is read from the voxels of another grid, or its own. Float32 but for what places the grids.

    Attributes:
        displacement: (K, J, I, 3) mm, RAS.
    """

    def __init__(self, field: DisplacementField, seen_from: ImageGeometry, device: torch.device | str) -> None:
        self.displacement = torch.from_numpy(field.displacement_ras_mm).to(device)
        self._last = torch.tensor(field.geometry.shape_kji, dtype=torch.float32, device=device) - 1
        matrix = (field.geometry.ras_to_ijk @ seen_from.ijk_to_ras)[2::-1]  # rows: k, j, i of this field
        voxels = (np.arange(n, dtype=np.float64)[:, None] for n in seen_from.shape_kji)
        along = [places * column for places, column in zip(voxels, matrix[:, 2::-1].T)]
        along[0] = along[0] + matrix[:, 3]
        self._k, self._j, self._i = (torch.from_numpy(part.astype(np.float32)).to(device) for part in along)
        to_voxels = np.ascontiguousarray(field.geometry.ras_to_ijk[2::-1, :3].T, np.float32)
        self._to_voxels = torch.from_numpy(to_voxels).to(device)

    def positions(self, slices: slice, displacement: Tensor) -> Tensor:
        """Where voxels of the other grid, moved by (k, j, i, 3) mm, lie in this one: voxel indices, K first."""
        return self._k[slices, None, None] + self._j[:, None] + self._i + displacement @ self._to_voxels

    def depth(self, positions: Tensor) -> Tensor:
        """(..., 1) voxels to the nearest face of the grid, negative outside."""
        return torch.minimum(positions, self._last - positions).amin(-1, keepdim=True)

    def read(self, positions: Tensor) -> Tensor:
        """(k, j, i, 3) mm, trilinear; beyond the grid the edge value is repeated."""
        points = positions.reshape(1, -1, 3) * (2 / self._last.clamp(min=1)) - 1
        return read_image(self.displacement.movedim(-1, 0)[None], points).reshape(positions.shape)
