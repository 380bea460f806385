"""Small patients, pairs and models for the tests of training."""

from pathlib import Path

import numpy as np
import torch

from NePhiCore.geometry import ImageGeometry
from NePhiCore.model import ModelConfig
from NePhiCore.volume import Volume
from training.subjects import Subject
from training.train import main

CONFIG = ModelConfig(4, 4, 5, width=16, frequencies=8, frequency_scale=0.3, encoder_width=8)
MATCHES_SIZE = 9  # of this model's encoder
SMALL_SEARCH = 40
BOX_RAS_MM = np.array([[-110.0, -80.0, -100.0], [110.0, 80.0, 120.0]])


def a_subject(spacing_mm=5.0) -> Subject:
    """Two ellipsoids of lung with waves of density in a body that grows denser upwards by 0.001 a millimetre."""
    size_ijk = np.round(np.array([300, 220, 300]) / spacing_mm).astype(int)
    origin = (10.0, 0.0, 10.0) - (size_ijk - 1) / 2 * spacing_mm
    geometry = ImageGeometry.from_spacing(size_ijk[::-1], (spacing_mm,) * 3, origin, np.eye(3))
    x, y, z = np.moveaxis(geometry.points_ras_mm(), -1, 0)
    lungs = np.zeros(x.shape, bool)
    for side in (-1, 1):
        lungs |= ((x - side * 60) / 45) ** 2 + (y / 70) ** 2 + ((z - 10) / 100) ** 2 < 1
    density = np.where(lungs, 0.25 + 0.08 * np.sin(x / 9) * np.sin(y / 8) * np.sin(z / 10), 1 + 0.001 * z)
    return Subject.of(Volume((density * 1000 - 1000).astype(np.int16), geometry), lungs)


def generators(count=1, seed=0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + n) for n in range(count)]


def made_pair(seed=0, size=MATCHES_SIZE) -> dict[str, torch.Tensor]:
    """A pair as `make_pairs` writes it, smaller, of random numbers; its lungs are where the matches say so."""
    source = torch.Generator().manual_seed(seed)
    matches = torch.randn(16, size, size, size, generator=source) * 0.3
    matches[7::8] = (torch.rand(2, size, size, size, generator=source) > 0.5).float()
    fields = torch.randn(2, 3, 6, 6, 6, generator=source) * 0.05
    return {"matches": matches.half(), "forth": fields[0].half(), "back": fields[1].half()}


def folder_of_pairs(folder: Path, count=3) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        torch.save(made_pair(number), folder / f"pair-0000-{number:05d}.pt")
    return folder


def train(out: Path, *options: object) -> dict:
    """A stretch of the small model, with few points; the content of its file."""
    settings = ("--batch", 2, "--points", 64, "--device", "cpu", "--out", out)
    main([str(option) for option in (*settings, *options)], CONFIG)
    return torch.load(out, weights_only=True)


def same_tensors(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
