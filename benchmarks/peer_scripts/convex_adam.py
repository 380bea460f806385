"""convexAdam with its settings for lungs at Learn2Reg 2021: MIND-SSC, masked, grid 4, then Adam on grid 2."""

import tempfile

import nibabel as nib
import numpy as np
import SimpleITK as sitk
import torch
from convexAdam.convex_adam_MIND import convex_adam_pt
from peer_files import Case

SPACING_MM, MULTIPLE = 2.0, 12  # it works in voxels of one grid whose sides its own grids divide
SETTINGS = {
    "mind_r": 1,
    "mind_d": 2,
    "lambda_weight": 0.65,
    "grid_sp": 4,
    "disp_hw": 6,
    "selected_niter": 50,
    "selected_smooth": 3,
    "grid_sp_adam": 2,
    "ic": True,
}


def common_grid(fixed: sitk.Image) -> sitk.Image:
    """A grid over the fixed image, 2 mm or its own spacing where that is finer."""
    spacing = [min(SPACING_MM, step) for step in fixed.GetSpacing()]
    extents = [n * step for n, step in zip(fixed.GetSize(), fixed.GetSpacing())]
    size = [int(np.ceil(e / step / MULTIPLE) * MULTIPLE) for e, step in zip(extents, spacing)]
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    grid.SetDirection(fixed.GetDirection())
    grid.SetOrigin(fixed.GetOrigin())
    return grid


def on_grid(image: sitk.Image, grid: sitk.Image, interpolator: int, outside: float) -> np.ndarray:
    """(I, J, K) float32."""
    resampled = sitk.Resample(image, grid, sitk.Transform(), interpolator, outside)
    return sitk.GetArrayFromImage(resampled).transpose(2, 1, 0).astype(np.float32)


case = Case()
torch.set_num_threads(case.threads)
grid = common_grid(case.fixed)
images = [torch.from_numpy(on_grid(i, grid, sitk.sitkLinear, -1000).copy()) for i in (case.fixed, case.moving)]
with tempfile.TemporaryDirectory() as folder:
    for name, mask in (("fixed", case.fixed_lungs), ("moving", case.moving_lungs)):
        voxels = on_grid(mask, grid, sitk.sitkNearestNeighbor, 0)
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), f"{folder}/{name}.nii.gz")
    voxels = convex_adam_pt(
        *images,
        use_mask=True,
        path_fixed_mask=f"{folder}/fixed.nii.gz",
        path_moving_mask=f"{folder}/moving.nii.gz",
        dtype=torch.float32,
        device=torch.device("cpu"),
        **SETTINGS,
    )
to_lps = np.array(grid.GetDirection()).reshape(3, 3) @ np.diag(grid.GetSpacing())
field = sitk.GetImageFromArray((voxels.transpose(2, 1, 0, 3) @ to_lps.T).astype(np.float32), isVector=True)
field.CopyInformation(grid)
case.write_field(sitk.GetArrayFromImage(sitk.Resample(field, case.fixed, sitk.Transform(), sitk.sitkLinear, 0.0)))
