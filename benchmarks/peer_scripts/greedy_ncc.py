"""PICSL greedy: affine, then deformable, both with NCC 2x2x2; the dilated fixed lungs are the gradient mask."""

import io
import tempfile

import SimpleITK as sitk
from peer_files import Case
from picsl_greedy import Greedy3D

DILATION_VOXELS = [2, 2, 2]

case = Case()
greedy, log = Greedy3D(), io.StringIO()
with tempfile.TemporaryDirectory() as folder:

    def run(command: str) -> None:
        greedy.execute(f"-threads {case.threads} {command.replace('@', folder + '/')}", out=log, err=log)

    for name, image in zip(("fixed", "moving"), case.lungs_alone()):
        sitk.WriteImage(image, f"{folder}/{name}.nii.gz")
    near_lungs = sitk.Cast(sitk.BinaryDilate(case.fixed_lungs, DILATION_VOXELS), sitk.sitkFloat32)
    sitk.WriteImage(near_lungs, f"{folder}/near.nii.gz")
    images = "-i @fixed.nii.gz @moving.nii.gz -m NCC 2x2x2"
    run(f"-a -dof 12 {images} -n 100x50x10 -ia-image-centers -o @affine.mat")
    run(f"{images} -gm @near.nii.gz -it @affine.mat -n 100x100x50x20 -e 0.5 -s 2.0vox 0.5vox -o @warp.nii.gz")
    run("-rf @fixed.nii.gz -r @warp.nii.gz @affine.mat -rc @composed.nii.gz")
    case.write_field(sitk.GetArrayFromImage(sitk.ReadImage(f"{folder}/composed.nii.gz")))
