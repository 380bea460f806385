import json
import math
import re

import numpy as np
import pytest
from report_figures import GOOD, changed

from NePhiCore.lung_function import LungFunction
from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES
from NePhiCore.optimisation import LossTrace
from NePhiCore.registration import RegistrationResult
from NePhiCore.run_report import finite, run_report, summary
from NePhiCore.settings import settings_for
from NePhiCore.warning_codes import QualityWarning, messages_of

TRE = {
    "landmarks": 300,
    "before": {"mean": 17.8, "median": 17.0, "p95": 30.0},
    "after": {"mean": 1.62, "median": 1.2, "p95": 4.5},
}
FILES = {
    "inputs": {"fixed": "exhale.nii.gz", "moving": "inhale.nii.gz"},
    "outputs": {"transform": "T.h5", "report": "R.json"},
}


def a_report(quality: dict, trace: LossTrace | None = None, cancelled: bool = False, function=None) -> dict:
    provenance = {"device": "cpu", "settings": settings_for("balanced", iterations=100).as_dict(), "seed": 0}
    trace = trace or LossTrace()
    result = RegistrationResult(None, None, None, None, None, trace, cancelled, {}, provenance)
    return run_report(result, quality, 12.34, {"reading": 2.0}, 10**9, FILES, function)


def test_lung_function_is_reported_with_its_warnings_and_in_words():
    figures = dict.fromkeys(LUNG_FUNCTION_FIGURES)
    figures |= {"ventilation_jacobian_mean": 0.524, "prm_normal_percent": 91.26, "prm_emphysema_percent": 2.5}
    function = LungFunction(None, None, None, figures, (QualityWarning("one_lung", "one lung only"),))
    report = a_report(GOOD, function=function)
    assert report["lung_function"] == figures
    assert report["warnings"] == [{"code": "one_lung", "message": "one lung only"}]
    text = summary(report)
    assert re.search(r"specific volume change +0.52 mean; of air, by density n/a", text)
    assert "normal 91.3 %, small airways disease n/a %, emphysema 2.5 %" in text
    assert "lung_function" not in a_report(GOOD)


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
        (changed("similarity", before={**GOOD["similarity"]["before"], "local_ncc": 0.9}), "less alike"),
    ],
)
def test_warns_of_what_a_user_should_not_miss(quality, warning):
    report = a_report(quality)
    (message,) = messages_of(report["warnings"])
    assert re.search(warning, message)
    assert f"Warning: {message}." in summary(report)


def test_says_how_far_an_interrupted_run_came():
    trace = LossTrace()
    trace.add(40, -0.1, 0.2, 0.3)
    interrupted = {"code": "interrupted", "message": "interrupted after 41 of 100 iterations"}
    assert a_report(GOOD, trace, cancelled=True)["warnings"] == [interrupted]


def test_the_summary_holds_the_figures():
    text = summary(a_report({**GOOD, "tre_mm": TRE, "truth_mm": {"before": TRE["before"], "after": TRE["after"]}}))
    assert text.splitlines() == [
        "Registered inhale.nii.gz to exhale.nii.gz in 12.3 s (balanced, 100 iterations, cpu).",
        "  similarity in the lungs         0.100 -> 0.800 (local NCC)",
        "  mean difference in the lungs    160 -> 60 HU",
        "  folds in the lungs              0 of 1000 voxels, 0 one-sided",
        "  det J in the lungs              0.50 to 1.75 (1st to 99th percentile)",
        "  inverse consistency             0.25 mm mean, 0.50 mm 95th percentile",
        "  read on a grid of 3 mm          0.03 mm mean, 0.11 mm 95th percentile off the map",
        "  error at landmarks (TRE)        17.80 -> 1.62 mm mean (1.20 median, 4.50 95th percentile), 300 landmarks",
        "  error everywhere in the lungs   17.80 -> 1.62 mm mean (1.20 median, 4.50 95th percentile)",
        "Written: T.h5, R.json",
    ]
