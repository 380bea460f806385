import numpy as np
import pytest

from NePhiCore.air_spaces import find_lung_air, no_lungs
from NePhiCore.errors import InvalidVolumeError
from NePhiCore.morphology import Morphology

GRID = Morphology((2.0, 2.0, 2.0))
SHAPE = (50, 50, 80)
RIGHT, LEFT = np.s_[5:45, 10:40, 45:70], np.s_[5:45, 10:40, 10:35]  # 240 ml each


def body_with(**spaces) -> np.ndarray:
    """Soft tissue to the edge of the image, with boxes of other HU in it."""
    hu = np.full(SHAPE, 40.0, np.float32)
    for box, value in spaces.values():
        hu[box] = value
    return hu


def lung_air(hu: np.ndarray, grid: Morphology = GRID):
    body = hu[::2, ::2, ::2] > -300
    return find_lung_air(hu, body, grid, "fixed")


def test_two_lungs():
    air = lung_air(body_with(right=(RIGHT, -850), left=(LEFT, -800)))
    assert air.mask[RIGHT].all() and air.mask[LEFT].all()
    assert np.count_nonzero(air.mask) == 2 * 40 * 30 * 25
    assert air.upper_hu == -300.0


def test_even_gas_is_no_lung():
    air = lung_air(body_with(right=(RIGHT, -850), gas=(LEFT, -1000)))
    assert air.mask[RIGHT].all() and not air.mask[LEFT].any()


def test_air_that_is_open_to_the_side_is_no_lung():
    beside = np.s_[:, :, 75:]
    air = lung_air(body_with(right=(RIGHT, -850), beside=(beside, -900)))
    assert air.mask[RIGHT].all() and not air.mask[beside].any()


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (5.0, 4.0, 4.7)])
def test_a_chest_wall_with_a_hole_of_one_voxel_parts_the_lung_from_the_air_outside(spacing_mm):
    beside, hole = np.s_[:, :, 75:], np.s_[23, 20, 70:75]
    hu = body_with(right=(RIGHT, -850), beside=(beside, -900), hole=(hole, -500))
    air = lung_air(hu, Morphology(spacing_mm))
    assert air.mask[RIGHT].all() and not air.mask[beside].any()


def test_a_lung_cut_by_the_edge_of_the_image_is_a_lung():
    cut = np.s_[5:45, 10:40, :35]
    assert lung_air(body_with(left=(cut, -850))).mask[cut].all()


def test_outside_air_half_under_a_blanket_is_no_lung():
    pocket, blanket = np.s_[:, 28:, :42], np.s_[:, 47:, :25]
    right = np.s_[5:45, 3:25, 45:70]
    air = lung_air(body_with(right=(right, -850), pocket=(pocket, -900), blanket=(blanket, 40)))
    assert air.mask[right].all() and not air.mask[pocket].any()


def test_gas_behind_a_leaky_wall_is_left_out():
    bowel, leak = np.s_[20:28, 18:30, 38:44], np.s_[23, 20, 44]
    lungs = body_with(right=(RIGHT, -850), gas=(bowel, -900), leak=(leak, -500))
    air = lung_air(lungs)
    assert air.mask[RIGHT].all() and not air.mask[bowel].any()


def test_dense_lungs_raise_the_limit_half_way_to_tissue():
    lung_hu = -550.0
    air = lung_air(body_with(right=(RIGHT, lung_hu), left=(LEFT, lung_hu)))
    assert air.upper_hu == pytest.approx((lung_hu + 50.0) / 2)


def test_padding_beside_a_cut_lung_is_no_lung():
    cut, padding = np.s_[5:45, 10:40, 8:35], np.s_[:, :, :8]
    air = lung_air(body_with(left=(cut, -850), padding=(padding, -1024)))
    assert air.mask[cut].all() and not air.mask[padding].any()


def test_nothing_but_small_pockets_is_refused():
    with pytest.raises(InvalidVolumeError, match="no lungs found in fixed: no air space"):
        lung_air(body_with(pocket=(np.s_[10:25, 10:25, 10:25], -850)))


@pytest.mark.parametrize("name, option", [("fixed", "--fixed-mask"), ("a.nii", "--fixed-mask or --moving-mask")])
def test_the_message_offers_a_mask(name, option):
    assert str(no_lungs(name, "because")) == f"no lungs found in {name}: because; give a mask with {option}."
