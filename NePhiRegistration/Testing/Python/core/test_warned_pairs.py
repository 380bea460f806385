"""Whole registrations: each warning on a pair that deserves it, and on one that does not."""

import pytest
from command_cases import quick_registration
from warned_cases import LUNGS, a_model, chest, grid, mask, warned_codes

from NePhiCore.settings import settings_for

TO_THE_FIRST_SLICE = (slice(0, 18), *LUNGS[1:])
NEARLY_THERE = (slice(1, 18), *LUNGS[1:])
BESIDE = (*LUNGS[:2], slice(12, 28))  # ten columns of sixteen in the lungs
ONE_COLUMN_BESIDE = (*LUNGS[:2], slice(7, 23))


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


def test_a_good_pair_is_not_warned_of():
    assert warned_codes() == set()
    assert warned_codes(inhale="moving") == set()


def test_another_patient():
    assert "other_patient" in warned_codes(moving_hu=chest(patient=1))


def test_folds():
    assert "folds" in warned_codes(model=a_model(output_weights=1.0))


def test_more_motion_than_the_model_has_seen():
    assert "large_motion" in warned_codes(moving_grid=grid(16.0))
    assert warned_codes(moving_grid=grid(4.8)) == set()


def test_an_image_that_its_header_places_twice():
    assert warned_codes(place_doubt="its header places it twice") == {"doubtful_place"}


def test_lungs_that_the_field_of_view_cuts():
    cut, whole = ((chest(lungs=lungs), mask(lungs)) for lungs in (TO_THE_FIRST_SLICE, NEARLY_THERE))
    assert warned_codes(cut[0], cut[0], None, cut[1], cut[1]) == {"lungs_cut"}
    assert warned_codes(whole[0], whole[0], None, whole[1], whole[1]) == set()


def test_inhale_and_exhale_that_are_swapped():
    larger = grid(4.4)
    assert warned_codes(moving_grid=larger, inhale="fixed") == {"swapped"}
    assert warned_codes(moving_grid=larger, inhale="moving") == set()


def test_masks_of_something_else():
    assert "masks_disagree" in warned_codes(fixed_mask=mask(BESIDE), moving_mask=mask(BESIDE))
    assert warned_codes(fixed_mask=mask(ONE_COLUMN_BESIDE), moving_mask=mask(ONE_COLUMN_BESIDE)) == set()


def test_masks_that_mark_different_lungs():
    """A mask of one lung beside a mask of both that a map cannot bring together."""
    halves = mask()
    halves[:, :, 11:17] = 0
    assert "masks_disagree" in warned_codes(moving_mask=halves)


def test_an_optimisation_that_ends_too_soon():
    quick = {"device": "cpu", "grid_spacing_mm": 8.0}
    assert "not_converged" in warned_codes(settings=settings_for("balanced", iterations=3, **quick))
    assert warned_codes(settings=settings_for("balanced", iterations=40, **quick)) == set()
