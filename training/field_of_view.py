"""How much of the lungs a scan shows, and the cube that the product would lay around that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from NePhiCore.preprocessing import MARGIN_MM, CubeImage

from .motions import box_to_ras

Tensor = torch.Tensor

_CUT_SHARE = 0.15  # of the scans end inside the lungs
_CUT_AT_BASE = 0.7  # of these
_LONGEST_CUT = 0.12  # of the lungs' height
_BOX_ERROR_MM = 1.5  # masks are never quite right, nor are boxes around them


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """Where one scan lies.

    Attributes:
        norm_to_ras: (4, 4), the cube around the lungs that are seen.
        ends_norm: where the scan ends below and above, z of the cube; -1 and 1 where it shows all.
    """

    norm_to_ras: np.ndarray
    ends_norm: tuple[float, float] = (-1.0, 1.0)

    def cropped(self, cube: CubeImage) -> CubeImage:
        """Beyond its ends the scan's last slice goes on, without lung, as `preprocessing.to_cube` has it."""
        z = torch.linspace(-1, 1, cube.image.shape[2], device=cube.image.device)
        seen = (z >= self.ends_norm[0]) & (z <= self.ends_norm[1])
        first, *_, last = seen.nonzero().flatten()
        row = torch.arange(len(z), device=z.device).clamp(first, last)
        return CubeImage(cube.image[:, :, row], cube.lungs[:, :, row] * seen[:, None, None], cube.norm_to_ras)


def random_view(lung_points_ras_mm: Tensor, rng: np.random.Generator) -> FieldOfView:
    """A scan of lungs that points (N, 3) fill; some scans end inside them."""
    low, high = (end.cpu().numpy() for end in (lung_points_ras_mm.amin(0), lung_points_ras_mm.amax(0)))
    is_cut, at_base = rng.random(2) < (_CUT_SHARE, _CUT_AT_BASE)
    cut_mm = is_cut * rng.uniform(0, _LONGEST_CUT) * (high[2] - low[2])
    low[2] += cut_mm * at_base
    high[2] -= cut_mm * (not at_base)
    errors = rng.normal(size=(2, 3)) * _BOX_ERROR_MM
    cube = box_to_ras(low - MARGIN_MM + errors[0], high + MARGIN_MM + errors[1])
    if not is_cut:
        return FieldOfView(cube)
    bottom, top = ((end[2] - cube[2, 3]) / cube[2, 0] for end in (low, high))
    return FieldOfView(cube, (bottom, 1.0) if at_base else (-1.0, top))
