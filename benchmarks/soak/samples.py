"""Good files of every kind that the product reads, and how each kind is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import SimpleITK as sitk
import torch

from NePhiBatch.manifest import read_manifest
from NePhiCore.checkpoint import load_checkpoint, save_checkpoint
from NePhiCore.dirlab_files import read_voxel_landmarks
from NePhiCore.displacement_field import DisplacementField
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import read_volume, write_volume
from NePhiCore.landmarks import read_landmarks
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.transform_io import read_displacement, read_initial_transform, write_displacement

from .mutations import spoil, spoil_inside_gzip, spoil_inside_zip

SHAPE_KJI = (8, 9, 10)
SPACING_MM = 3.0
PATIENT = "SECRET^PATIENT"


@dataclass(frozen=True)
class Sample:
    """One kind of file.

    Attributes:
        file: its name in the folder of samples.
        read: reads a file, or the folder that it is a part of, and uses what it read; returns what to tell of it.
        spoil: how its content is spoilt.
        folder: its name, where what is read is a folder with this file in it.
    """

    file: str
    read: Callable[[Path], object]
    spoil: Callable[[bytes, Random], bytes] = spoil
    folder: str | None = None


def _read_image(path: Path) -> object:
    return read_volume(path).hu.shape


def _read_map(path: Path) -> object:
    field = read_displacement(path)
    assert np.isfinite(field.displacement_ras_mm).all()
    return field.geometry.shape_kji


def _read_start(path: Path) -> object:
    return read_initial_transform(path).map_points_ras_mm(np.zeros((3, 3))).shape


def _read_points(path: Path) -> object:
    points = read_landmarks(path)
    assert np.isfinite(points).all() and points.shape[1] == 3
    return len(points)


def _read_table(path: Path) -> object:
    cases = read_manifest(path, {}).cases
    assert all(
        case.name.isprintable() and os.path.dirname(os.path.normpath(f"cases/{case.name}")) == "cases" for case in cases
    )
    return len(cases)


def _read_voxel_indices(path: Path) -> object:
    return len(read_voxel_landmarks(path, _geometry()))


SAMPLES: dict[str, Sample] = {
    "NIfTI image": Sample("ct.nii.gz", _read_image, spoil_inside_gzip),
    "NRRD image": Sample("ct.nrrd", _read_image),
    "MetaImage": Sample("ct.mha", _read_image),
    "DICOM series": Sample("0003.dcm", _read_image, folder="dicom"),
    "transform .h5": Sample("field.h5", _read_map),
    "initial transform .h5": Sample("affine.h5", _read_start),
    "transform .tfm": Sample("affine.tfm", _read_start),
    "composite .tfm": Sample("composite.tfm", _read_start),
    "field .nii.gz": Sample("field.nii.gz", _read_map, spoil_inside_gzip),
    "manifest": Sample("cohort.csv", _read_table),
    "landmarks .csv": Sample("points.csv", _read_points),
    "landmarks .fcsv": Sample("points.fcsv", _read_points),
    "landmarks .mrk.json": Sample("points.mrk.json", _read_points),
    "voxel landmarks .txt": Sample("points.txt", _read_voxel_indices),
    "checkpoint": Sample("model.pt", load_checkpoint, spoil_inside_zip),
}


def write_samples(folder: Path) -> None:
    """Write a good file of every kind."""
    hu = np.random.default_rng(0).normal(-800, 60, SHAPE_KJI).astype(np.int16)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        write_volume(folder / f"ct{suffix}", hu, _geometry())
    _write_series(folder / "dicom", hu)
    field = DisplacementField(np.full((*SHAPE_KJI, 3), 1.5, np.float32), _geometry())
    for suffix in (".h5", ".nii.gz"):
        write_displacement(folder / f"field{suffix}", field)
    affine = sitk.AffineTransform(3)
    affine.SetTranslation((4.0, 5.0, 6.0))
    for suffix in (".h5", ".tfm"):
        sitk.WriteTransform(affine, str(folder / f"affine{suffix}"))
    sitk.WriteTransform(sitk.CompositeTransform([affine, _bspline()]), str(folder / "composite.tfm"))
    (folder / "cohort.csv").write_text("case,fixed,moving,inhale\nP1,a.nii.gz,b.nii.gz,moving\nP2,c.nrrd,d.nrrd,\n")
    (folder / "points.csv").write_text("name,x,y,z\none,1,2,3\ntwo,4,5,6\n")
    (folder / "points.fcsv").write_text(
        "# CoordinateSystem = LPS\n1,1,2,3,0,0,0,1,1,1,0,a,,\n2,4,5,6,0,0,0,1,1,1,0,b,,\n"
    )
    points = [{"id": "1", "position": [1.0, 2.0, 3.0]}, {"id": "2", "position": [4.0, 5.0, 6.0]}]
    markups = [{"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}]
    (folder / "points.mrk.json").write_text(json.dumps({"markups": markups}, indent=1))
    (folder / "points.txt").write_text("1 2 3\n4\t5\t6\n")
    torch.manual_seed(0)
    save_checkpoint(folder / "model.pt", small_model(), {"data": "none"})


def small_model() -> NePhiModel:
    """An untrained model of a few kilobytes."""
    small = {"global_channels": 8, "local_channels": 8, "local_size": 10, "width": 16, "frequencies": 8, "layers": 1}
    return NePhiModel(ModelConfig(**small, encoder_width=8))


def _geometry() -> ImageGeometry:
    return ImageGeometry.from_spacing(SHAPE_KJI, SPACING_MM)


def _bspline() -> sitk.Transform:
    grid = sitk.Image(6, 6, 6, sitk.sitkFloat32)
    return sitk.BSplineTransformInitializer(grid, [2, 2, 2])


def _write_series(folder: Path, hu: np.ndarray) -> None:
    """Slices as a scanner writes them, with a patient's name."""
    folder.mkdir()
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing([SPACING_MM] * 3)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(image.GetSize()[2]):
        part = image[:, :, k]
        tags = {
            "0008|0060": "CT",
            "0010|0010": PATIENT,
            "0010|0020": "MRN-4711",
            "0020|000e": "1.2.3",
            "0020|000d": "1.2",
        }
        tags |= {"0008|0018": f"1.2.3.{k + 1}", "0020|0013": str(k), "0020|0032": f"0\\0\\{k * SPACING_MM}"}
        for tag, value in {**tags, "0020|0037": "1\\0\\0\\0\\1\\0"}.items():
            part.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:04d}.dcm"))
        writer.Execute(part)
