"""One case measured: a shift that an untrained model finds exactly, with landmarks that are 3 mm off."""

import numpy as np
import pytest
from command_cases import MILLIMETRES_OFF, SHIFT_RAS_MM, quick_registration, write_pair

from NePhiCore import evaluation
from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.cli_run import Run
from NePhiCore.evaluation import evaluate_pair
from NePhiCore.evaluation_table import COLUMNS
from NePhiCore.interruption import Interruption
from NePhiCore.pair_run import register_and_measure
from NePhiCore.register_command import read_pair
from NePhiCore.settings import settings_for

FILES = {"fixed": ".nii.gz", "moving": ".nii.gz", "fixed_mask": ".nii.gz", "moving_mask": ".nii.gz"}
LANDMARKS = ("fixed_landmarks", "moving_landmarks")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


def evaluate(folder, *landmarks):
    files = {name: folder / f"{name}{suffix}" for name, suffix in FILES.items()}
    files |= {name: folder / f"{name.removesuffix('_landmarks')}.csv" for name in landmarks}
    run = Run(lambda message: None, Interruption())
    settings = settings_for("fast", grid_spacing_mm=8.0)
    return (*evaluate_pair(read_pair(files), settings, load_checkpoint(folder / "small.pt"), run), run)


@pytest.fixture(scope="module")
def evaluated(folder):
    return evaluate(folder, *LANDMARKS)


def test_the_landmark_errors_before_and_after(evaluated):
    _, row, _ = evaluated
    assert row["landmarks"] == 3
    before = np.linalg.norm(SHIFT_RAS_MM + (0, 0, MILLIMETRES_OFF))
    for figure in ("mean", "median", "p95", "max"):
        assert row[f"tre_before_{figure}_mm"] == pytest.approx(before, abs=1e-3)
        assert row[f"tre_{figure}_mm"] == pytest.approx(MILLIMETRES_OFF, abs=1e-3)
    assert row["tre_std_mm"] == pytest.approx(0, abs=1e-3)


def test_the_snapped_error_counts_from_voxel_centres(evaluated):
    """Voxels of 4 mm: the mapped landmarks lie 2 mm, 2 or 1 mm, and 1 or 0 mm off their centres, then 3 mm up."""
    errors = np.sqrt([2**2 + 2**2 + 4**2, 2**2 + 1**2 + 3**2, 2**2 + 1**2 + 4**2])
    _, row, _ = evaluated
    assert row["tre_snapped_mean_mm"] == pytest.approx(errors.mean(), abs=1e-3)
    assert row["tre_snapped_max_mm"] == pytest.approx(errors.max(), abs=1e-3)


def test_a_shift_neither_folds_nor_stretches_and_comes_back(evaluated):
    _, row, _ = evaluated
    for name in ("folds_central", "folds_one_sided", "folds_central_percent", "folds_one_sided_percent"):
        assert row[name] == 0
    assert row["det_min"] == pytest.approx(1, abs=1e-4)
    assert row["sd_log_j"] == pytest.approx(0, abs=1e-4)
    assert row["inverse_consistency_mean_mm"] == pytest.approx(0, abs=1e-3)
    assert row["local_ncc"] > 0.99 > row["local_ncc_before"]


def test_folds_are_counted_by_both_tests_and_given_in_percent(folder, monkeypatch):
    def folded(*arguments):
        result, quality = register_and_measure(*arguments)
        counts = {"folds_central": 30, "folds_any_one_sided": 70}
        fractions = {"fold_fraction_central": 0.03, "fold_fraction_any_one_sided": 0.07}
        return result, {**quality, "jacobian": {**quality["jacobian"], **counts, **fractions}}

    monkeypatch.setattr(evaluation, "register_and_measure", folded)
    _, row, _ = evaluate(folder)
    assert (row["folds_central"], row["folds_one_sided"]) == (30, 70)
    assert (row["folds_central_percent"], row["folds_one_sided_percent"]) == pytest.approx((3, 7))


def test_the_seconds_are_those_of_the_registration_alone(evaluated):
    result, row, run = evaluated
    assert row["seconds"] == pytest.approx(sum(result.seconds_by_step.values()))
    assert 0 < row["seconds"] < run.seconds
    assert 50 < row["peak_memory_mib"] < 100_000


def test_the_memory_is_counted_anew_for_each_case(folder, monkeypatch):
    order = []
    monkeypatch.setattr(evaluation, "forget_peak_memory", lambda device: order.append(f"forget {device}"))
    monkeypatch.setattr(evaluation, "peak_memory_bytes", lambda device: order.append(f"ask {device}") or 3 * 2**20)
    assert evaluate(folder)[1]["peak_memory_mib"] == 3
    assert order == ["forget cpu", "ask cpu"]


def test_every_figure_is_a_column_and_every_column_a_figure(evaluated):
    assert {"case", *evaluated[1], "error"} == set(COLUMNS)


def test_without_landmarks_there_are_no_landmark_errors(folder):
    _, row, _ = evaluate(folder)
    assert {"sd_log_j", "seconds"} <= set(row)
    assert not [name for name in row if "tre" in name or name == "landmarks"]
