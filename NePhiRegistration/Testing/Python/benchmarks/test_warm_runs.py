"""Registrations one after another in one process."""

from types import SimpleNamespace

import numpy as np

from benchmarks import nephi_runs, warm_runs
from benchmarks.cases import BenchmarkPair
from benchmarks.measurements import Run
from NePhiCore.geometry import ImageGeometry
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume


def test_the_first_is_told_apart_from_the_others(monkeypatch):
    """The process's clock stands still but for what a registration takes: nine seconds, then one, two and six."""
    taken, now = [9.0, 1.0, 2.0, 6.0], [0.0]

    def register(fixed, moving, settings, model, fixed_lungs, moving_lungs):
        assert fixed_lungs.dtype == moving_lungs.dtype == bool
        seconds = taken.pop(0)
        now[0] += seconds
        return SimpleNamespace(seconds_by_step={"encoding": seconds / 2})

    monkeypatch.setattr(warm_runs, "register", register)
    monkeypatch.setattr(warm_runs, "find_lungs", lambda volume: volume.hu < 0)
    monkeypatch.setattr(warm_runs.time, "perf_counter", lambda: now[0])
    volume = Volume(np.full((4, 4, 4), -800, np.int16), ImageGeometry((4, 4, 4), np.eye(4)), "fixed")
    result, figures = warm_runs.register_again_and_again(volume, volume, settings_for("fast", device="cpu"), 3)
    assert result.seconds_by_step == {"encoding": 3.0}
    assert (figures["first_seconds"], figures["seconds"]) == (9.0, [1.0, 2.0, 6.0])
    assert figures["seconds_by_step"] == {"encoding": 1.0}
    assert figures["device"] == "cpu" and figures["reserved_bytes"] == 0 and figures["peak_bytes"] > 0


def test_a_failure_of_the_process_is_told(monkeypatch, tmp_path):
    nowhere = tmp_path / "image.nii.gz"
    pair = BenchmarkPair("d1", nowhere, nowhere, nowhere, nowhere, np.zeros((1, 3)), np.zeros((1, 3)))
    monkeypatch.setattr(nephi_runs, "run_process", lambda *given: Run(1.0, 1.0, 1, failed="exit 1: no lungs"))
    assert nephi_runs.measure_warm(pair, "fast", 1, 2).failed == "exit 1: no lungs"
