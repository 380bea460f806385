"""The phantom's thorax at inhale as densities on a fine grid: Anatomy.

Density is (HU + 1000) / 1000: 0 in air, 1 in water. It is kept in two parts, because breathing
out packs the air-holding parenchyma more densely but not vessels, walls or the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .phantom_surfaces import (
    COARSE_MM,
    MIDLINE_X_MM,
    TISSUE_HIGH_RAS_MM,
    TISSUE_LOW_RAS_MM,
    coarse_points_ras_mm,
    random_proportions,
    thorax_distances,
)
from .phantom_vessels import Tubes, beside, chain, grow_tree, joined, tube_coverage

FINE_MM = COARSE_MM / 2
LOBES = {1: "right upper", 2: "right middle", 3: "right lower", 4: "left upper", 5: "left lower"}
# Ends of each vessel tree, by lobe; powers of two.
_TERMINALS = {1: 2048, 2: 1024, 3: 2048, 4: 2048, 5: 2048}
_PARENCHYMA = 0.12  # density of lung between its vessels
# What the body is painted with, in order: surface, grown by mm, HU, standard deviation of its texture in HU.
_BODY = (
    ("body", 0.0, 20, 5),
    ("body", -2.5, -105, 8),
    ("muscle", 0.0, 50, 14),
    ("fat_plane", 0.0, -75, 10),
    ("cage", 2.0, -85, 14),
    ("abdomen", 0.0, 45, 6),
    ("abdomen", -3.0, -95, 14),
    ("liver", 0.0, 62, 5),
    ("stomach", 0.0, 40, 5),
    ("stomach", -4.0, 15, 12),
    ("gas", 0.0, -985, 0),
    ("heart", 0.0, 45, 4),
    ("cartilage", 0.0, 95, 10),
    ("bone", 0.0, 650, 30),
    ("bone", -2.0, 210, 40),
    ("canal", 0.0, 30, 4),
)
# Paths (RAS mm) and radii (mm) of aorta, its branches, caval veins, pulmonary trunk and gullet.
_GREAT_VESSELS = (
    ([(4, 10, -10), (10, 16, 20), (8, 12, 42), (-2, -4, 52), (-14, -26, 50), (-20, -44, 34)], 12),
    ([(-20, -44, 34), (-21, -50, -60), (-12, -54, -200)], 11),
    ([(-2, -2, 52), (8, 2, 90), (22, -4, 200)], 6),
    ([(-12, -14, 52), (-16, -8, 90), (-22, -10, 200)], 5),
    ([(24, 4, -20), (22, 6, 70), (10, 8, 95), (-26, 4, 110)], 8),
    ([(20, -8, -40), (22, -14, -110), (18, -30, -200)], 10),
    ([(-14, 30, -20), (-8, 22, 10), (-4, 8, 18)], 12),
    ([(-4, -34, 200), (-2, -40, 0), (-10, -34, -110)], 6),
)
_CARINA_RAS_MM = (2, -14, 38)
_TRACHEA = chain([(2, -10, 200), _CARINA_RAS_MM], 8.5)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A thorax at inhale in its tissue frame (RAS mm, origin in the middle of the lungs).

    Both grids reach from TISSUE_LOW_RAS_MM to TISSUE_HIGH_RAS_MM, voxel centre to voxel centre.

    Attributes:
        density: (1, 2, K, J, I) float32 at FINE_MM: parenchyma, and everything else.
        distances: (1, 3, K, J, I) float32 mm at COARSE_MM: lungs (negative inside), oblique and
            horizontal fissure (positive above).
        branch_points_ras_mm: (N, 3) where the lungs' vessels divide.
    """

    density: torch.Tensor
    distances: torch.Tensor
    branch_points_ras_mm: np.ndarray

    @property
    def lungs_box_ras_mm(self) -> np.ndarray:
        """(2, 3) lowest and highest corner of both lungs."""
        inside = coarse_points_ras_mm()[self.distances[0, 0].numpy() < 0]
        return np.stack([inside.min(0), inside.max(0)]).astype(float)


def build_anatomy(seed: int) -> Anatomy:
    """Draw one patient."""
    rng = np.random.default_rng([seed, 0])
    coarse = thorax_distances(random_proportions(rng))
    arteries, veins, airways = _grow_lungs(rng, coarse)
    vessels = joined(arteries, veins)
    texture = _texture(rng, coarse["lungs"].shape)
    density = _with_lungs(_body_density(coarse, texture), coarse, vessels, airways, texture)
    kept = np.stack([coarse[name] for name in ("lungs", "oblique", "horizontal")])
    return Anatomy(density[None], torch.from_numpy(kept)[None], vessels.ends_ras_mm[vessels.radii_mm > 1.0])


def lobe_labels(x_ras_mm: np.ndarray, lungs: np.ndarray, oblique: np.ndarray, horizontal: np.ndarray) -> np.ndarray:
    """Numbers of LOBES, uint8, 0 outside the lungs; from tissue x and distances, all of one shape."""
    right = np.where(oblique < 0, 3, np.where(horizontal < 0, 2, 1))
    left = np.where(oblique < 0, 5, 4)
    return np.where(lungs < 0, np.where(x_ras_mm > MIDLINE_X_MM, right, left), 0).astype(np.uint8)


def _grow_lungs(rng: np.random.Generator, coarse: dict[str, np.ndarray]) -> tuple[Tubes, Tubes, Tubes]:
    """Arteries, veins and airway lumens below the trachea: a trunk and a tree of each kind for every lobe."""
    points = coarse_points_ras_mm()
    labels = lobe_labels(points[..., 0], coarse["lungs"] + 3.5, coarse["oblique"], coarse["horizontal"])
    arteries, veins, airways = [], [], []
    for lobe, terminals in _TERMINALS.items():
        side = 1 if lobe <= 3 else -1
        inside = points[labels == lobe]
        artery_root, vein_root = np.array([side * 35, -10, 8]), np.array([side * 33, 4, -10])
        artery, vein = (
            grow_tree(rng, root, rng.choice(inside, terminals) + rng.uniform(-1.5, 1.5, (terminals, 3)))
            for root in (artery_root, vein_root)
        )
        direction = rng.normal(size=3)
        airway = beside(artery, direction / np.linalg.norm(direction), 1.3)
        airways += [chain([_CARINA_RAS_MM, (side * 22, -20, 20), airway.starts_ras_mm[0]], 5.5), airway]
        arteries += [chain([(-6, 16, 14), artery_root], 8), artery]
        veins += [chain([(-2, -4, -18), vein_root], 7), vein]
    return joined(*arteries), joined(*veins), joined(*airways)


def _texture(rng: np.random.Generator, coarse_shape: tuple[int, int, int]) -> torch.Tensor:
    """(K, J, I) at FINE_MM, standard deviation about 1: equal octaves of noise from 48 down to 3 mm."""
    field = torch.zeros(1, 1, 1, 1, 1)
    for step in (16, 8, 4, 2, 1):
        shape = [-(-(n - 1) // step) + 1 for n in coarse_shape]
        octave = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))[None, None]
        field = _resized(field, shape) + octave
    return 0.6 * _resized(field, [2 * n - 1 for n in coarse_shape])[0, 0]


def _body_density(coarse: dict[str, np.ndarray], texture: torch.Tensor) -> torch.Tensor:
    """(K, J, I) at FINE_MM: the whole body, its chest still filled with fat, heart and great vessels."""
    hu = torch.full_like(texture, -1000.0)
    for surface, grown_mm, value, roughness in _BODY:
        distance = coarse[surface] - np.float32(grown_mm)
        box = _box_around(distance < COARSE_MM)
        fine_box = tuple(slice(2 * part.start, 2 * part.stop - 1) for part in box)
        hu[fine_box].lerp_(value + roughness * texture[fine_box], _coverage(distance[box]))
    hu += _tubes(joined(*(chain(path, radius) for path, radius in _GREAT_VESSELS)), hu) * (42 - hu)
    return (hu + 1000) / 1000


def _with_lungs(
    body: torch.Tensor, coarse: dict[str, np.ndarray], vessels: Tubes, airways: Tubes, texture: torch.Tensor
) -> torch.Tensor:
    """(2, K, J, I) at FINE_MM: density of parenchyma and of all the rest, lungs cut into the body."""
    lungs = _coverage(coarse["lungs"])
    # Branches may stray a little out of the lungs, but not out of the chest or into the heart.
    chest = _coverage(np.maximum.reduce([coarse["cage"], coarse["diaphragm"], -coarse["heart"]]))
    fissures = _fissure_sheets(_fine(coarse["oblique"]), _fine(coarse["horizontal"]))
    walls = torch.maximum(_tubes(_walled(airways), body) * chest, _tubes(_walled(_TRACHEA), body))
    lumen = torch.maximum(_tubes(airways, body) * chest, _tubes(_TRACHEA, body))
    vessel = _tubes(vessels, body) * chest
    gravity = torch.linspace(0.2, -0.2, texture.shape[1])[:, None]
    parenchyma = _PARENCHYMA * (1 + gravity + 0.15 * texture).clamp(min=0.2) * lungs
    parenchyma *= (1 - fissures) * (1 - walls) * (1 - vessel)
    rest = body * (1 - lungs) + fissures * lungs
    rest += walls * (1.02 - rest)
    rest += vessel * (1.04 - rest)
    return torch.stack([parenchyma, rest * (1 - lumen)])


def _walled(airways: Tubes) -> Tubes:
    return Tubes(airways.starts_ras_mm, airways.ends_ras_mm, 1.12 * airways.radii_mm + 0.6)


def _fissure_sheets(oblique: torch.Tensor, horizontal: torch.Tensor) -> torch.Tensor:
    """The share of tissue in thin sheets along the fissures; the horizontal one is right of the midline, above."""
    right = torch.linspace(TISSUE_LOW_RAS_MM[0], TISSUE_HIGH_RAS_MM[0], oblique.shape[2]) > MIDLINE_X_MM
    horizontal = torch.where(right & (oblique > 0), horizontal, torch.inf)
    return 0.25 * torch.exp(-1.5 * torch.minimum(oblique.abs(), horizontal.abs()) ** 2)


def _box_around(inside: np.ndarray) -> tuple[slice, ...]:
    where = (np.flatnonzero(inside.any((1, 2))), np.flatnonzero(inside.any((0, 2))), np.flatnonzero(inside.any((0, 1))))
    return tuple(slice(indices[0], indices[-1] + 1) for indices in where)


def _fine(coarse: np.ndarray) -> torch.Tensor:
    return _resized(torch.from_numpy(coarse)[None, None], [2 * n - 1 for n in coarse.shape])[0, 0]


def _resized(field: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return F.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)


def _tubes(tubes: Tubes, like: torch.Tensor) -> torch.Tensor:
    slices, rows, columns = like.shape
    return torch.from_numpy(tube_coverage((slices, rows, columns), TISSUE_LOW_RAS_MM, FINE_MM, tubes))


def _coverage(distance: np.ndarray) -> torch.Tensor:
    """The share of each fine voxel inside a surface given by its distance (mm) on the coarse grid."""
    return _fine(np.float32(0.5) - distance / np.float32(FINE_MM)).clamp_(0, 1)
