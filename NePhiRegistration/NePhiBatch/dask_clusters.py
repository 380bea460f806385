"""Where many workers come from: processes of this machine, a cluster that is there, or jobs of SLURM.

Dask is imported when it is asked for.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from NePhiCore.errors import DependencyError, NePhiError, SettingsError

from .dask_workers import DaskWorkers, dask_logs_to
from .run_log import RunLog
from .signal_mask import signals_blocked

if TYPE_CHECKING:
    from distributed.deploy import Cluster

# Deaths that Dask forgives a case; one more and it is given up.
ALLOWED_FAILURES = 2
_CONNECT_S = 30
# So long there may be no worker of this machine: one that died begins anew within seconds, on a busy machine minutes.
_PATIENCE_S = 1800.0
_FAILURES = {"distributed.scheduler.allowed-failures": ALLOWED_FAILURES}
# Dask tells the malloc of its workers to give memory back at once; asking for it anew all the time slows cases down.
_KEEP_MEMORY = """export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON='{"MALLOC_TRIM_THRESHOLD_": None}'"""
# Options of SLURMCluster that are lists.
_LISTS = ("job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args")


def check_dask(with_slurm: bool = False) -> None:
    """Raise DependencyError where something is missing for a cluster."""
    try:
        import cryptography  # noqa: F401 (is it there?)
        import distributed  # noqa: F401 (is it there?)

        if with_slurm:
            import dask_jobqueue  # noqa: F401 (is it there?)
    except ImportError as error:
        raise DependencyError(
            f"More than one worker needs Dask, and {error.name} is not installed: pip install "
            "'nephi-registration[cluster]' (in a clone: pip install '.[cluster]'). --workers 1 needs none."
        ) from error
    if with_slurm and shutil.which("sbatch") is None:
        raise DependencyError("--slurm needs SLURM's command sbatch, which is not found here. Log in where it is.")


@contextmanager
def local_workers(count: int, gpus: Sequence[str], log: RunLog) -> Iterator[DaskWorkers]:
    """Processes of this machine, the cores divided among them.

    Args:
        count: how many.
        gpus: what CUDA calls the GPUs, one for each worker; empty where none are used.
        log: takes what Dask has to say.
    """
    import dask
    from dask.system import CPU_COUNT
    from distributed import Nanny, Scheduler, Security, SpecCluster

    # Keys for this run alone: a scheduler runs what it is sent, and others may be logged in on this machine.
    secured = {"security": Security.temporary()}
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() and int(asked) else max(1, CPU_COUNT // count)
    options = {"nthreads": threads, "memory_limit": None, "silence_logs": logging.CRITICAL, **secured}
    workers = {
        number: {"cls": Nanny, "options": {**options, "env": _gpu_environment(gpus, number)}} for number in range(count)
    }
    address = {"host": "127.0.0.1", "protocol": "tls", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": {**address, **secured}}
    configuration = {
        **_FAILURES,
        # In the place of Dask's own, see _KEEP_MEMORY. What the run's environment says goes first.
        "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": threads},
        # A worker that is started anew is not lost: on a busy machine, that takes longer than Dask's 15 seconds.
        "distributed.deploy.lost-worker-timeout": "1 hour",
    }
    with dask.config.set(configuration), dask_logs_to(log):
        with ExitStack() as stack:
            with signals_blocked("SIGINT"):
                cluster = stack.enter_context(SpecCluster(workers, scheduler=scheduler, silence_logs=None, **secured))
            yield stack.enter_context(_workers_of(cluster, _PATIENCE_S))


@contextmanager
def existing_workers(address: str, log: RunLog) -> Iterator[DaskWorkers]:
    """The workers of a cluster that runs already.

    Raises:
        NePhiError: no scheduler answers.
    """
    with dask_logs_to(log), _workers_of(address) as found:
        yield found


@contextmanager
def slurm_workers(jobs: int, options: Mapping[str, object], log: RunLog) -> Iterator[DaskWorkers]:
    """Jobs of SLURM, a worker each; one that ends is replaced.

    Args:
        jobs: how many.
        options: of dask_jobqueue.SLURMCluster, over those of its configuration file.
        log: takes what Dask has to say.

    Raises:
        SettingsError: options that SLURMCluster does not take, or some that it misses.
    """
    import dask
    from dask_jobqueue import SLURMCluster

    before = options.get("job_script_prologue", dask.config.get("jobqueue.slurm.job-script-prologue", []))
    with dask.config.set(_FAILURES), dask_logs_to(log):
        try:
            cluster = SLURMCluster(**{"processes": 1, **options, "job_script_prologue": [_KEEP_MEMORY, *before]})
        except (TypeError, ValueError) as error:
            raise SettingsError(f"--slurm: {error} Give it with --slurm-option KEY=VALUE.") from error
        with cluster:
            cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
            with _workers_of(cluster) as found:
                yield found


def slurm_options(said: Sequence[str]) -> dict[str, object]:
    """KEY=VALUE each -> options of SLURMCluster; one that is a list takes several.

    Raises:
        SettingsError: no such form.
    """
    options: dict[str, object] = {}
    for text in said:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise SettingsError(f"--slurm-option {text}: expected KEY=VALUE, such as queue=long.")
        if key in _LISTS:
            options.setdefault(key, []).append(value)
        elif value.lower() in ("true", "false"):
            options[key] = value.lower() == "true"
        else:
            options[key] = int(value) if value.isdecimal() else value
    return options


@contextmanager
def _workers_of(cluster: Cluster | str, patience_s: float | None = None) -> Iterator[DaskWorkers]:
    from distributed import Client

    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(cluster, timeout=_CONNECT_S))
        except (OSError, TimeoutError, ValueError) as error:
            raise NePhiError(
                f"No Dask scheduler answers at {cluster} ({error}). Start one, or check the address."
            ) from error
        yield DaskWorkers(client, patience_s)


def _gpu_environment(gpus: Sequence[str], number: int) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": gpus[number]} if gpus else {}
