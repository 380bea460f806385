"""What is compared with what."""

import pytest

from benchmarks.ablation.runner import Job, jobs, settings_of
from benchmarks.ablation.studies import STUDIES, Study, Variant
from NePhiCore.settings import REGULARITIES, SIMILARITIES, settings_for

NAMES = {study.name: study for study in STUDIES}


class ASubject:
    """A pair by its name, with some voxels of lung."""

    lung_voxels = 100_000

    def __init__(self, name):
        self.name = name


def settings_in(study: str) -> list:
    subject = ASubject("d1")
    return [settings_of(Job(NAMES[study], v, subject, subject), "cpu", False) for v in NAMES[study].variants]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_variants_of_a_study_have_names_of_their_own_and_settings_that_are_allowed(study):
    names = [variant.name for variant in study.variants]
    assert len(names) == len(set(names)) > 1
    assert len(settings_in(study.name)) == len(names)


def test_every_kind_that_can_be_chosen_is_compared():
    assert {s.similarity for s in settings_in("similarity")} == set(SIMILARITIES)
    assert {s.regularity for s in settings_in("regularity")} == set(REGULARITIES)
    assert [s.seed for s in settings_in("seeds")] == [0, 1, 2]


def test_the_preset_is_in_the_middle_of_five_weights():
    weights = [s.regularity_weight for s in settings_in("weight")]
    middle = settings_for("balanced").regularity_weight
    assert weights == [middle / 16, middle / 4, middle, 4 * middle, 16 * middle]


def test_points_of_the_regulariser_become_a_share_of_the_lung_voxels():
    study = Study("few", "", "", (Variant("64", {"regularity_points": 64}),))
    settings = settings_of(Job(study, study.variants[0], ASubject("d1"), ASubject("d1")), "cpu", False)
    assert settings.regularity_sampling_ratio * ASubject.lung_voxels == pytest.approx(64)


def test_a_quick_run_has_a_tenth_of_the_iterations():
    job = Job(NAMES["seeds"], NAMES["seeds"].variants[0], ASubject("d1"), ASubject("d1"))
    assert settings_of(job, "cpu", True).iterations == round(settings_for("balanced").iterations / 10)


def test_the_first_pair_goes_through_all_studies_before_the_next():
    """What is long comes at the end, and on the first pair only; the last pair's code goes to the first's."""
    study = Study("a", "", "", (Variant("long", is_long=True), Variant("short")))
    between = Study("b", "", "", (Variant("half", start={"from": "between", "share": 0.5}),))
    found = list(jobs([study, between], [ASubject("d1"), ASubject("d2")]))
    assert [(job.variant.name, job.subject.name, job.following.name) for job in found] == [
        ("short", "d1", "d2"),
        ("half", "d1", "d2"),
        ("short", "d2", "d1"),
        ("half", "d2", "d1"),
        ("long", "d1", "d2"),
    ]


def test_one_pair_alone_has_no_other_code_to_go_to():
    between = Study("b", "", "", (Variant("half", start={"from": "between", "share": 0.5}),))
    assert list(jobs([between], [ASubject("d1")])) == []
