"""What a scan shows of the lungs, and the cube around that."""

import numpy as np
import torch
from training_cases import BOX_RAS_MM

from NePhiCore.preprocessing import MARGIN_MM, CubeImage
from training.field_of_view import FieldOfView, random_view

POINTS = torch.from_numpy(BOX_RAS_MM)


def views(count=300) -> list[FieldOfView]:
    return [random_view(POINTS, np.random.default_rng(seed)) for seed in range(count)]


def low_and_high(view: FieldOfView) -> np.ndarray:
    ends = np.array([[-1, -1, -1, 1], [1, 1, 1, 1]]) @ view.norm_to_ras.T
    return ends[:, :3]


def test_whole_scans_have_the_products_margin_around_the_lungs_give_or_take_millimetres():
    margins = [(low_and_high(v) - BOX_RAS_MM) * [[-1], [1]] for v in views() if v.ends_norm == (-1, 1)]
    assert abs(np.mean(margins) - MARGIN_MM) < 0.3 and 1 < np.std(margins) < 2


def test_some_scans_end_inside_the_lungs_more_often_at_the_base():
    all_views = views()
    at_base = [v for v in all_views if v.ends_norm[0] > -1]
    at_apex = [v for v in all_views if v.ends_norm[1] < 1]
    assert 0.1 < (len(at_base) + len(at_apex)) / 300 < 0.2 and len(at_base) > len(at_apex) > 0


def test_the_cube_of_a_cut_scan_goes_a_margin_beyond_its_end():
    cut = [v for v in views() if v.ends_norm[0] > -1]
    for view in cut:
        bottom = view.norm_to_ras[2, 3] + view.ends_norm[0] * view.norm_to_ras[2, 0]
        assert BOX_RAS_MM[0, 2] <= bottom <= BOX_RAS_MM[0, 2] + 0.12 * 220
        assert abs(bottom - low_and_high(view)[0, 2] - MARGIN_MM) < 6


def test_beyond_its_end_the_last_slice_goes_on_without_lung():
    rows = torch.arange(9.0).reshape(1, 1, 9, 1, 1).expand(1, 1, 9, 2, 2)
    cube = CubeImage(rows, torch.ones(1, 1, 9, 2, 2), np.eye(4))
    cropped = FieldOfView(np.eye(4), (-0.6, 1.0)).cropped(cube)  # rows lie at -1, -0.75, -0.5, ...
    assert cropped.image[0, 0, :, 0, 0].tolist() == [2, 2, 2, 3, 4, 5, 6, 7, 8]
    assert cropped.lungs[0, 0, :, 1, 1].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_a_whole_scan_stays_as_it_is():
    cube = CubeImage(torch.rand(1, 1, 5, 5, 5), torch.rand(1, 1, 5, 5, 5), np.eye(4))
    cropped = FieldOfView(np.eye(4)).cropped(cube)
    assert torch.equal(cropped.image, cube.image) and torch.equal(cropped.lungs, cube.lungs)
