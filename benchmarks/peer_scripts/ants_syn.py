"""ANTs: affine, then SyN[0.2, 3, 0] with cross-correlation of radius 2 over four levels, as for EMPIRE10."""

import tempfile
from pathlib import Path

import ants
import SimpleITK as sitk
from peer_files import Case

case = Case()
with tempfile.TemporaryDirectory() as folder:
    images = []
    for name, image in zip(("fixed", "moving"), case.lungs_alone()):
        path = str(Path(folder, f"{name}.nii.gz"))
        sitk.WriteImage(image, path)
        images.append(ants.image_read(path))
    affine = ants.registration(
        *images,
        "Affine",
        aff_metric="GC",
        aff_iterations=(500, 300, 100),
        aff_shrink_factors=(4, 2, 1),
        aff_smoothing_sigmas=(2, 1, 0),
        random_seed=1,
        outprefix=f"{folder}/affine_",
    )
    syn = ants.registration(
        *images,
        "SyNOnly",
        initial_transform=affine["fwdtransforms"][0],
        syn_metric="CC",
        syn_sampling=2,
        reg_iterations=(100, 100, 50, 20),
        grad_step=0.2,
        flow_sigma=3,
        total_sigma=0,
        random_seed=1,
        outprefix=f"{folder}/syn_",
    )
    composed = ants.apply_transforms(*images, syn["fwdtransforms"], compose=f"{folder}/composed_")
    case.write_field(sitk.GetArrayFromImage(sitk.ReadImage(composed)))
