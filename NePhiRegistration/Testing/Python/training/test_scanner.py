"""Scanner, disease and masks: they change values, never places."""

import numpy as np
import torch
from training_cases import generators

from NePhiCore.preprocessing import CubeImage
from NePhiCore.sampling import cube_grid
from training import scanner
from training.scanner import as_scanned

SIZE = 24


def a_cube() -> CubeImage:
    """Lungs of density 0.2 in a body of 0.9."""
    lungs = (cube_grid((SIZE,) * 3).norm(dim=-1) < 0.7).float()[None, None]
    return CubeImage(0.9 - 0.7 * lungs, lungs, np.diag([120.0, 100, 110, 1]))


def scanned(seed: int) -> CubeImage:
    return as_scanned(a_cube(), np.random.default_rng(seed), generators(seed=seed)[0])


def test_images_stay_images_and_the_cube_stays_where_it_is():
    for seed in range(10):
        cube = scanned(seed)
        assert cube.image.shape == cube.lungs.shape == (1, 1, SIZE, SIZE, SIZE)
        assert 0 <= cube.image.min() and cube.image.max() <= 1 and 0 <= cube.lungs.min() and cube.lungs.max() <= 1
        assert np.array_equal(cube.norm_to_ras, a_cube().norm_to_ras)


def test_a_seed_gives_one_image():
    assert torch.equal(scanned(5).image, scanned(5).image) and not torch.equal(scanned(5).image, scanned(6).image)


def test_the_middle_of_most_images_is_still_lung_in_a_body():
    kept = [scanned(seed) for seed in range(20)]
    inside = torch.stack([(c.image * a_cube().lungs).sum() / a_cube().lungs.sum() for c in kept])
    assert inside.median() < 0.35 and inside.std() > 0.005


def test_thick_slices_blur_along_the_body_and_nowhere_else():
    stripes = torch.arange(SIZE).remainder(2).float()
    along_z, along_x = (stripes.reshape(shape).expand(1, 1, SIZE, SIZE, SIZE) for shape in ((-1, 1, 1), (1, 1, -1)))
    thick = [scanner._thick_slices(image, height_mm=SIZE * 2.0, thickness_mm=4.0) for image in (along_z, along_x)]
    assert torch.allclose(thick[0], torch.full_like(thick[0], 0.5)) and torch.allclose(thick[1], along_x)


def test_thin_slices_change_nothing():
    image = torch.rand(1, 1, SIZE, SIZE, SIZE)
    assert torch.equal(scanner._thick_slices(image, height_mm=SIZE * 2.0, thickness_mm=1.0), image)


def test_disease_stays_in_the_lungs():
    cube, grid, changed = a_cube(), cube_grid((SIZE,) * 3), 0.0
    for seed in range(40):
        difference = scanner._with_disease(cube.image, cube.lungs, grid, np.random.default_rng(seed)) - cube.image
        assert not difference[cube.lungs == 0].any()
        changed = max(changed, float(difference.abs().max()))
    assert changed > 0.2  # a consolidation among them


def test_masks_miss_parts_of_some_lungs_only():
    cube, grid = a_cube(), cube_grid((SIZE,) * 3)
    lost = []
    for seed in range(40):
        rough = scanner._rough_mask(cube.lungs, grid, np.random.default_rng(seed), generators(seed=seed)[0])
        lost.append(float((cube.lungs - rough).clamp(min=0).sum() / cube.lungs.sum()))
    assert np.median(lost) < 0.01 and 3 <= sum(share > 0.001 for share in lost) <= 20
