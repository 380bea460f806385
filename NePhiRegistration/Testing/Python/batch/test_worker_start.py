import dataclasses

import pytest
from core.command_cases import write_pair

from NePhiBatch import worker_start
from NePhiBatch.case_job import CaseJob
from NePhiBatch.manifest import BatchCase
from NePhiBatch.worker_start import ready_for
from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.errors import DependencyError, DeviceError, ModelFileError
from NePhiCore.settings import settings_for


@pytest.fixture
def job(tmp_path):
    write_pair(tmp_path)
    weights = tmp_path / "small.pt"
    worker_start._weights.cache_clear()
    settings = settings_for("fast", device="cpu")
    return CaseJob(BatchCase("A", {}), settings, weights, load_checkpoint(weights).sha256, tmp_path, "token")


def test_the_weights_are_read_once(job, tmp_path):
    assert ready_for(job) is ready_for(job)
    (log,) = (tmp_path / "logs").glob("*.log")
    assert log.read_text(encoding="utf-8").count("weights read: small.pt") == 1


@pytest.mark.parametrize(
    ("change", "error", "cause"),
    [
        ({"version": "0.0.1"}, DependencyError, "the run 0.0.1. Install the same."),
        ({"weights_sha256": "0" * 64}, ModelFileError, "small.pt of the worker .* is not the one of the run"),
        ({"settings": settings_for("fast", device="mps")}, DeviceError, "'mps' is not available"),
    ],
)
def test_a_worker_that_is_not_what_the_run_needs_says_so(job, change, error, cause, monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(error, match=cause):
        ready_for(dataclasses.replace(job, **change))
