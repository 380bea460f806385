import json
import math
import re

import numpy as np
import pytest

from NePhiCore.optimisation import LossTrace
from NePhiCore.registration import RegistrationResult
from NePhiCore.run_report import finite, run_report, summary
from NePhiCore.settings import settings_for

GOOD = {
    "similarity": {
        "before": {"ncc": 0.2, "local_ncc": 0.1, "mean_absolute_difference_hu": 160.0},
        "after": {"ncc": 0.9, "local_ncc": 0.8, "mean_absolute_difference_hu": 60.0},
    },
    "jacobian": {
        "voxels": 1000,
        "folds_central": 0,
        "folds_any_one_sided": 0,
        "fold_fraction_any_one_sided": 0.0,
        "p1": 0.5,
        "p99": 1.75,
    },
    "jacobian_inverse": {"folds_any_one_sided": 0, "fold_fraction_any_one_sided": 0.0},
    "inverse_consistency_mm": {"mean": 0.25, "p95": 0.5, "max": 1.0},
}
TRE = {
    "landmarks": 300,
    "before": {"mean": 17.8, "median": 17.0, "p95": 30.0},
    "after": {"mean": 1.62, "median": 1.2, "p95": 4.5},
}
FILES = {
    "inputs": {"fixed": "exhale.nii.gz", "moving": "inhale.nii.gz"},
    "outputs": {"transform": "T.h5", "report": "R.json"},
}


def a_report(quality: dict, trace: LossTrace | None = None, cancelled: bool = False) -> dict:
    provenance = {"device": "cpu", "settings": settings_for("balanced", iterations=100).as_dict(), "seed": 0}
    trace = trace or LossTrace()
    result = RegistrationResult(None, None, None, None, trace, cancelled, {}, provenance)
    return run_report(result, quality, 12.34, {"reading": 2.0}, 10**9, FILES)


def changed(key: str, **values: object) -> dict:
    return {**GOOD, key: {**GOOD[key], **values}}


def test_finite_knows_no_nan_and_no_numpy():
    value = {"a": [math.nan, np.float32(0.5), (math.inf, -math.inf)], 3: np.int64(7), "c": None, "d": np.bool_(True)}
    assert finite(value) == {"a": [None, 0.5, [None, None]], "3": 7, "c": None, "d": True}
    json.dumps(finite(value), allow_nan=False)


def test_the_report_keeps_what_it_is_given():
    trace = LossTrace()
    trace.add(0, -0.1, 0.2, 0.3)
    report = a_report({**GOOD, "tre_mm": TRE}, trace)
    assert report["seconds"] == 12.34
    assert report["seconds_by_step"] == {"reading": 2.0}
    assert report["loss"] == {"iteration": [0], "similarity": [-0.1], "regularity": [0.2], "total": [0.3]}
    assert report["tre_mm"] == TRE
    assert report["outputs"]["transform"] == "T.h5"
    assert report["warnings"] == []


@pytest.mark.parametrize(
    ("quality", "warning"),
    [
        (changed("jacobian", folds_any_one_sided=5, fold_fraction_any_one_sided=0.005), r"the map folds at 5 .*0.5 %"),
        (changed("jacobian_inverse", folds_any_one_sided=1), "the inverse map folds at 1 "),
        (changed("inverse_consistency_mm", mean=1.5), "not inverses"),
        (changed("similarity", after={**GOOD["similarity"]["after"], "local_ncc": 0.05}), "less alike"),
    ],
)
def test_warns_of_what_a_user_should_not_miss(quality, warning):
    report = a_report(quality)
    assert len(report["warnings"]) == 1
    assert re.search(warning, report["warnings"][0])
    assert f"Warning: {report['warnings'][0]}." in summary(report)


def test_says_how_far_an_interrupted_run_came():
    trace = LossTrace()
    trace.add(40, -0.1, 0.2, 0.3)
    assert a_report(GOOD, trace, cancelled=True)["warnings"] == ["interrupted after 41 of 100 iterations"]


def test_the_summary_holds_the_figures():
    text = summary(a_report({**GOOD, "tre_mm": TRE, "truth_mm": {"before": TRE["before"], "after": TRE["after"]}}))
    assert text.splitlines() == [
        "Registered inhale.nii.gz to exhale.nii.gz in 12.3 s (balanced, 100 iterations, cpu).",
        "  similarity in the lungs         0.100 -> 0.800 (local NCC)",
        "  mean difference in the lungs    160 -> 60 HU",
        "  folds in the lungs              0 of 1000 voxels, 0 one-sided",
        "  det J in the lungs              0.50 to 1.75 (1st to 99th percentile)",
        "  inverse consistency             0.25 mm mean, 0.50 mm 95th percentile",
        "  error at landmarks (TRE)        17.80 -> 1.62 mm mean (1.20 median, 4.50 95th percentile), 300 landmarks",
        "  error everywhere in the lungs   17.80 -> 1.62 mm mean (1.20 median, 4.50 95th percentile)",
        "Written: T.h5, R.json",
    ]
