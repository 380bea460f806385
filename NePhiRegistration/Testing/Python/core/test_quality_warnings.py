"""Each limit from both sides; the pairs that pass them are in test_warned_pairs.py."""

import dataclasses

import pytest
from report_figures import GOOD, changed

from NePhiCore.optimisation import LossTrace
from NePhiCore.quality_warnings import LAST_SCALE, LEAST_ITERATIONS, warnings_of
from NePhiCore.scales import SCALES
from NePhiCore.settings import settings_for

AT_REST = [0.3] * 5 + [0.2] * 10 + [0.101, 0.1, 0.099, 0.1]


def codes(quality: dict, similarity=AT_REST, cancelled=False, preset="balanced", **changes) -> list[str]:
    settings = settings_for(preset, **changes)
    trace = LossTrace()
    steps = [10 * n for n in range(len(similarity))]
    for iteration, value in zip(steps, similarity):
        trace.add(iteration, value, 0.0, value)
    report = {**quality, "cancelled": cancelled, "settings": settings.as_dict(), "loss": dataclasses.asdict(trace)}
    found = list(warnings_of(report))
    assert all(warning.message[0].islower() and not warning.message.endswith(".") for warning in found)
    return [warning.code for warning in found]


def after(**values) -> dict:
    return changed("similarity", after={**GOOD["similarity"]["after"], **values})


def test_a_good_registration_is_not_warned_of():
    assert codes(GOOD) == []
    assert codes(GOOD, similarity=[], preset="fast") == []


@pytest.mark.parametrize(
    ("code", "just_too_far", "just_fine"),
    [
        ("folds", changed("jacobian", folds_any_one_sided=1), GOOD),
        ("folds", changed("jacobian_inverse", folds_any_one_sided=1), GOOD),
        (
            "not_inverse",
            changed("inverse_consistency_mm", mean=1.01),
            changed("inverse_consistency_mm", mean=0.99),
        ),
        ("other_patient", after(local_ncc=0.49), after(local_ncc=0.51)),
        ("large_motion", changed("motion_mm", p95=61.0), changed("motion_mm", p95=59.0, offset=200.0)),
        ("lungs_cut", changed("lungs_cut_cm2", fixed=5.1), changed("lungs_cut_cm2", fixed=4.9)),
        ("lungs_cut", changed("lungs_cut_cm2", moving=5.1), changed("lungs_cut_cm2", moving=4.9)),
        ("masks_disagree", changed("light_share", fixed=0.79), changed("light_share", fixed=0.81)),
        ("masks_disagree", changed("light_share", moving=0.79), changed("light_share", moving=0.81)),
        ("masks_disagree", changed("lung_overlap_dice", after=0.79), changed("lung_overlap_dice", after=0.81)),
        ("doubtful_place", changed("place_doubts", moving="its header places it twice"), GOOD),
        ("swapped", {**GOOD, "inhale": "fixed"}, {**GOOD, "inhale": "moving"}),
    ],
)
def test_each_figure_has_its_limit(code, just_too_far, just_fine):
    assert codes(just_too_far) == [code]
    assert codes(just_fine) == []


def test_less_alike_than_before():
    assert codes(changed("similarity", before={**GOOD["similarity"]["before"], "local_ncc": 0.85})) == ["less_alike"]


def test_what_nobody_said_is_not_swapped_and_lung_function_says_it_itself():
    swapped = {**GOOD, "inhale": "fixed"}
    assert codes({**swapped, "inhale": None}) == []
    assert codes({**swapped, "lung_function": {}}) == []
    same = changed("lung_volume_litres", fixed=4.95, moving=5.0)
    assert codes({**same, "inhale": "fixed"}) == []


@pytest.mark.parametrize("last", [[0.14, 0.13, 0.11, 0.1], [0.1, 0.1, 0.12, 0.13]])
def test_a_loss_that_falls_or_rises_at_the_end_has_not_converged(last):
    assert codes(GOOD, [*AT_REST[:15], *last]) == ["not_converged"]


def test_what_falls_at_the_scales_before_the_last_has_converged_all_the_same():
    assert codes(GOOD, [*(3 - 0.1 * n for n in range(15)), 0.1, 0.1, 0.1, 0.1]) == []


def test_too_few_iterations_do_not_converge():
    assert codes(GOOD, [0.2, 0.1], iterations=LEAST_ITERATIONS - 1) == ["not_converged"]
    assert codes(GOOD, [0.2, 0.1], iterations=LEAST_ITERATIONS) == []
    assert codes(GOOD, [], iterations=0) == []


def test_an_interrupted_run_is_not_said_to_have_diverged():
    assert codes(GOOD, [0.2, 0.1, 0.5], cancelled=True) == ["interrupted"]


def test_the_last_scale_is_the_one_of_the_optimisation():
    assert SCALES[-1].share == LAST_SCALE
