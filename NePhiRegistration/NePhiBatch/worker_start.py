"""What a worker needs before its first case. Torch is loaded here."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from NePhiCore import __version__
from NePhiCore.errors import DependencyError, ModelFileError
from NePhiCore.model_store import default_model_path

from .case_job import CaseJob
from .output_folder import OutputFolder, worker_name

if TYPE_CHECKING:
    from NePhiCore.checkpoint import LoadedModel


def ready_for(job: CaseJob) -> LoadedModel:
    """Version, device, threads and weights as the job asks for them; returns the weights, read once a worker.

    Raises:
        NePhiError: one of them is not to be had here.
    """
    if job.version != __version__:
        raise DependencyError(
            f"The worker {worker_name()} has version {__version__} of NePhi, the run {job.version}. Install the same."
        )
    from NePhiCore.device import working_device

    working_device(job.settings.device)
    threads = _threads_of_dask_worker()
    if threads:
        _compute_with(threads)
    return _weights(job.model, job.weights_sha256, job.output)


def _threads_of_dask_worker() -> int | None:
    """As many as its worker was given, where this runs in one of Dask's; all of them serve the one case."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker().state.nthreads
    except ValueError:  # not in a worker
        return None


def _compute_with(threads: int) -> None:
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(threads)  # of the calling thread; a worker has several
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


@functools.lru_cache(maxsize=1)
def _weights(path: Path | None, sha256: str, output: Path) -> LoadedModel:
    """The weights, read once a worker."""
    from NePhiCore.checkpoint import load_checkpoint

    model = load_checkpoint(path or default_model_path())
    if model.sha256 != sha256:
        raise ModelFileError(
            f"The weights file {model.file_name} of the worker {worker_name()} is not the one of the run. Install the "
            "same version, or name a file that every worker sees with --model."
        )
    OutputFolder(output).worker_log().note(f"weights read: {model.file_name}")
    return model
