"""What must hold for the map of any pair, tried on random grids and motions.

The model is untrained: it lays lung box on lung box, so each property holds up to the voxels' own size. What the
trained model adds to that is measured elsewhere (docs/reliability.md).
"""

import numpy as np
import pytest
from command_cases import quick_registration
from hypothesis import given, settings
from hypothesis import strategies as st
from warned_cases import FAST, a_model, chest, grid, mask

from NePhiCore.displacement_field import map_points
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.registration import register
from NePhiCore.volume import Volume

EXACT_MM = 0.01  # single precision, and fields read between their nodes: the maps are affine
few_examples = settings(max_examples=6)
offsets = st.tuples(*[st.floats(-30, 30)] * 3)
stretches = st.tuples(*[st.floats(0.8, 1.25)] * 3)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


def scan(geometry: ImageGeometry | None = None):
    """An image and its lungs."""
    return Volume(chest(), geometry or grid(), "chest"), mask() > 0


def moved(of, stretch, offset):
    """The same voxels, stretched about the origin along the patient's axes, then moved."""
    volume, lungs = of
    matrix = np.diag([*stretch, 1.0]) @ volume.geometry.ijk_to_ras
    matrix[:3, 3] += offset
    return Volume(volume.hu, ImageGeometry(volume.hu.shape, matrix), volume.name), lungs


def on_another_grid(of, order, flips, margins):
    """The same voxels at the same places, with the axes in another order, reversed, and padded or cropped outside."""
    volume, lungs = of
    matrix, hu = volume.geometry.ijk_to_ras.copy(), volume.hu
    for axis, margin in enumerate(margins):
        column = 2 - axis  # of the matrix, i first
        if margin >= 0:
            pads = [(margin, margin) if a == axis else (0, 0) for a in range(3)]
            hu, lungs = np.pad(hu, pads, constant_values=40), np.pad(lungs, pads)
        else:
            keep = tuple(slice(-margin, margin) if a == axis else slice(None) for a in range(3))
            hu, lungs = hu[keep], lungs[keep]
        matrix[:3, 3] -= margin * matrix[:3, column]
    for axis in np.flatnonzero(flips):
        column = 2 - axis
        hu, lungs = np.flip(hu, axis), np.flip(lungs, axis)
        matrix[:3, 3] += (hu.shape[axis] - 1) * matrix[:3, column]
        matrix[:3, column] *= -1
    hu, lungs = (np.ascontiguousarray(array.transpose(order)) for array in (hu, lungs))
    matrix[:3, :3] = matrix[:3, :3][:, [2 - axis for axis in order][::-1]]
    return Volume(hu, ImageGeometry(hu.shape, matrix), volume.name), lungs


def maps_between(fixed, moving):
    """Functions from (N, 3) to (N, 3) RAS mm: fixed to moving, and back."""
    result = register(fixed[0], moving[0], FAST, fixed_lungs=fixed[1], moving_lungs=moving[1], model=a_model())
    return tuple(lambda p, f=f: map_points(f, p) for f in (result.fixed_to_moving, result.moving_to_fixed))


def lung_points(of=None) -> np.ndarray:
    volume, lungs = of or scan()
    return transform_points(volume.geometry.ijk_to_ras, np.argwhere(lungs)[::37, ::-1].astype(float))


MOVED = ((1.1, 0.95, 1.3), (10.0, -6.0, 14.0))


@few_examples
@given(
    st.permutations(range(3)),
    st.permutations(range(3)),
    st.tuples(*[st.booleans()] * 3),
    st.tuples(*[st.integers(-4, 5)] * 3),
)
def test_other_grids_do_not_change_the_map(fixed_order, moving_order, flips, margins):
    fixed, moving = scan(), moved(scan(), *MOVED)
    points = lung_points()
    expected = maps_between(fixed, moving)[0](points)
    other_fixed = on_another_grid(fixed, fixed_order, flips, margins)
    other_moving = on_another_grid(moving, moving_order, flips[::-1], margins[::-1])
    np.testing.assert_allclose(maps_between(other_fixed, other_moving)[0](points), expected, atol=EXACT_MM)


@few_examples
@given(stretches, offsets)
def test_the_map_moves_with_both_images(stretch, offset):
    fixed, moving = scan(), moved(scan(), *MOVED)
    points = lung_points()
    expected = maps_between(fixed, moving)[0](points) * stretch + offset
    forth, _ = maps_between(moved(fixed, stretch, offset), moved(moving, stretch, offset))
    margin = _margin_error_mm(stretch)
    np.testing.assert_allclose(forth(points * stretch + offset), expected, atol=margin + EXACT_MM)


@few_examples
@given(stretches, offsets)
def test_what_one_image_alone_was_moved_by_is_undone(stretch, offset):
    points = lung_points()
    forth, _ = maps_between(scan(), moved(scan(), stretch, offset))
    assert np.abs(forth(points) - (points * stretch + offset)).max() < _margin_error_mm(stretch) + EXACT_MM


@few_examples
@given(stretches, offsets)
def test_swapped_images_have_the_inverse_map(stretch, offset):
    fixed, moving = scan(), moved(scan(), stretch, offset)
    points = lung_points()
    forth, back = maps_between(fixed, moving)
    forth_again, _ = maps_between(moving, fixed)
    for returned in (forth_again(forth(points)), back(forth(points))):
        np.testing.assert_allclose(returned, points, atol=EXACT_MM)


def _margin_error_mm(stretch) -> float:
    """What is lost where a box grows and the margin around it does not: its 12 mm are too many or too few."""
    return 12.0 * float(np.abs(np.array(stretch) - 1).max())
