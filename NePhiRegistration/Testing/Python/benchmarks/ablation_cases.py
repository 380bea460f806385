"""Rows as an ablation writes them, and a coarse pair with a tiny model to run one on, for tests of the ablation."""

import numpy as np
import torch

from NePhiCore.checkpoint import LoadedModel
from NePhiCore.image_io import write_volume
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.phantom import breathing_phantom

TINY = ModelConfig(8, 8, 9, width=32, frequencies=16, frequency_scale=0.5, encoder_width=8)


def a_row(study="modes", variant="latent only", pair="d1", semi_synthetic=True, sha="1" * 64, **figures) -> dict:
    usual = {
        "tre_mean_mm": 1.0,
        "tre_median_mm": 0.8,
        "tre_p95_mm": 2.5,
        "tre_max_mm": 6.0,
        "landmarks": 11,
        "folds_central_percent": 0.0,
        "folds_one_sided_percent": 0.0,
        "sd_log_j": 0.15,
        "cpu_seconds": 40.0,
        "peak_memory_mib": 1000.0,
    }
    return {
        "study": study,
        "variant": variant,
        "pair": pair,
        "seed": 0,
        "semi_synthetic": semi_synthetic,
        "start": {"from": "encoder"},
        "settings": {"iterations": 150},
        "model": "a.pt",
        "model_sha256": sha,
        "version": "1.0.0",
        "commit": "c0ffee",
        "torch": "2.9",
        "threads": 1,
        "figures": {**usual, **figures},
    }


def a_model(output=0.02) -> LoadedModel:
    """Random maps that move points by a few hundredths of the cube."""
    torch.manual_seed(0)
    model = NePhiModel(TINY)
    for network in (model.fixed_to_moving, model.moving_to_fixed):
        torch.nn.init.normal_(network.output.weight, std=output)
    return LoadedModel(model.eval().requires_grad_(False), "0" * 64, "tiny.pt", {})


def write_coarse_pair(folder, roles=("exhale", "inhale")) -> None:
    """A phantom with voxels of 6 mm, in files as the real pairs come in: the first role is fixed."""
    folder.mkdir(parents=True)
    phantom = breathing_phantom((52, 48, 60), 6.0, noise_hu=0.0, landmark_count=30)
    for role, image in zip(("exhale", "inhale"), roles):
        volume, lungs = getattr(phantom, image), getattr(phantom, f"{image}_lungs")
        write_volume(folder / f"{role}.nii.gz", volume.hu, volume.geometry)
        write_volume(folder / f"{role}_lungs.nii.gz", lungs.astype(np.uint8), volume.geometry)
    points = np.hstack([getattr(phantom, f"landmarks_{image}_ras_mm") * (-1, -1, 1) for image in roles])
    header = ",".join(["id", *(f"{role}_{axis}" for role in ("exhale", "inhale") for axis in "xyz")])
    rows = np.column_stack([np.arange(len(points)), points])
    np.savetxt(folder / "landmarks_lps_mm.csv", rows, delimiter=",", header=header, comments="")
