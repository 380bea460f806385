"""Several workers through Dask, for real: killed workers, poisonous cases, an existing cluster, SLURM's commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from batch_cases import (
    QUICK_PROGRAM,
    batch_arguments,
    events,
    is_running,
    rows_of,
    started,
    statuses,
    times_put_in_place,
    wait_for,
    worker_pids,
    write_cohort,
)
from core.command_cases import own_environment, run

from NePhiBatch import dask_clusters
from NePhiBatch.dask_clusters import check_dask, slurm_options
from NePhiBatch.dask_workers import DaskWorkers
from NePhiBatch.dispatch import WorkersLostError
from NePhiBatch.run_log import RunLog
from NePhiCore.errors import DependencyError, NePhiError, SettingsError

CASES = ["A", "B", "held", "poison", "stuck", "Y", "Z"]
# What sbatch does here: run the script at once, as a job of this machine.
SBATCH = """#!{python}
import os, subprocess, sys
folder = "{folder}"
number = len(os.listdir(folder)) + 1
script = os.path.join(folder, "job%d.sh" % number)
open(script, "w").write(open(sys.argv[-1]).read())
nowhere = subprocess.DEVNULL
process = subprocess.Popen(["bash", script], start_new_session=True, stdout=nowhere, stderr=nowhere)
print("Submitted batch job %d" % process.pid)
"""
SCANCEL = """#!{python}
import os, sys
os.killpg(int(sys.argv[-1]), 9)
"""


def finished(process):
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def waiting(output, case):
    pids = [int(path.name.rpartition("_")[2]) for path in output.glob(f"waiting_{case}_*")]
    return next(filter(is_running, pids), None)


def test_two_workers_with_a_kill_of_one_and_of_the_run_do_every_case_once(tmp_path):
    arguments = batch_arguments(write_cohort(tmp_path / "study", CASES), tmp_path / "out", "--workers", "2")
    output = tmp_path / "out"
    with started(arguments) as process:
        pid = wait_for(lambda: waiting(output, "held"), process)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: waiting(output, "held") not in (None, pid), process)
        wait_for(lambda: statuses(output).get("B") == "done", process)
        process.kill()
        wait_for(lambda: not any(map(is_running, worker_pids(output))))
    (output / "release_held").touch()
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 1, err
    bad = {"poison", "stuck"}
    expected = {case: "failed" if case in bad else "done" for case in CASES}
    assert statuses(output) == expected
    assert {case: n for case, n in times_put_in_place(output).items() if n} == dict.fromkeys(set(CASES) - bad, 1)
    registered = [case for case, what in events(output) if what == "registered"]
    assert sorted(registered) == sorted(set(CASES) - bad)
    assert "Its worker died" in rows_of(output)["poison"]["reason"]
    assert "It was not done after 120 minutes" in rows_of(output)["stuck"]["reason"]
    for log in (output / "logs").glob("*.log"):
        assert log.read_text(encoding="utf-8").count("weights read") == 1
    assert "Traceback" not in err and "distributed" not in err


def test_ctrl_c_ends_all_workers_with_130(tmp_path):
    arguments = batch_arguments(write_cohort(tmp_path / "study", ["A", "held"]), tmp_path / "out", "--workers", "2")
    output = tmp_path / "out"
    with started(arguments) as process:
        wait_for(lambda: waiting(output, "held") and statuses(output) == {"A": "done"}, process)
        os.killpg(process.pid, signal.SIGINT)
        code, out, err = finished(process)
        assert not any(map(is_running, worker_pids(output)))
    assert code == 130, err
    assert err.splitlines()[-1].startswith("nephi: interrupted: 1 of 2 cases are done.")
    assert "Traceback" not in err


def test_an_existing_cluster_does_it(tmp_path):
    arguments = batch_arguments(write_cohort(tmp_path / "study", ["A", "B"]), tmp_path / "out")
    address = tmp_path / "scheduler.json"
    more = {"env": own_environment() | {"DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__ENABLED": "False"}}
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*program, "--scheduler-file", str(address)], **quiet, **more)
    # The worker loads the quick program as a preload, in the place of the run's own workers that load it by themselves.
    program = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        "--nworkers",
        "1",
        "--nthreads",
        "1",
        "--no-dashboard",
    ]
    program += ["--scheduler-file", str(address), "--preload", str(QUICK_PROGRAM), "--local-directory", str(tmp_path)]
    worker = subprocess.Popen(program, **quiet, **more)
    try:
        wait_for(address.exists)
        import json

        with started(
            [*arguments, "--scheduler", json.loads(address.read_text(encoding="utf-8"))["address"]]
        ) as process:
            code, out, err = finished(process)
        assert code == 0, err
        assert statuses(tmp_path / "out") == {"A": "done", "B": "done"}
        assert worker.poll() is None  # it is not ours to end
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait()


def test_jobs_of_slurm_do_it(tmp_path):
    """dask-jobqueue for real; only SLURM's two commands are stood in for."""
    commands, jobs = tmp_path / "bin", tmp_path / "jobs"
    commands.mkdir(), jobs.mkdir()
    for name, source in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (commands / name).write_text(source.format(python=sys.executable, folder=jobs))
        (commands / name).chmod(0o755)
    arguments = batch_arguments(write_cohort(tmp_path / "study", ["A", "B"]), tmp_path / "out", "--slurm", "1")
    for option in (
        "cores=2",
        "memory=2GB",
        "queue=long",
        "walltime=00:30:00",
        "death_timeout=280",
        f"local_directory={tmp_path}",
    ):
        arguments += ["--slurm-option", option]
    arguments += ["--slurm-option", f"worker_extra_args=--preload {QUICK_PROGRAM}", "--slurm-option", "interface=lo"]
    with started(arguments, PATH=f"{commands}:{os.environ['PATH']}") as process:
        code, out, err = finished(process)
    assert code == 0, err
    assert statuses(tmp_path / "out") == {"A": "done", "B": "done"}
    script = next(jobs.iterdir()).read_text(encoding="utf-8")
    for line in ("#SBATCH -p long", "#SBATCH --cpus-per-task=2", "#SBATCH -t 00:30:00", dask_clusters._KEEP_MEMORY):
        assert line in script


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch):
    manifest = write_cohort(tmp_path / "study", ["A"])
    monkeypatch.setitem(sys.modules, "distributed", None)
    ended = run(batch_arguments(manifest, tmp_path / "out", "--workers", "2"))
    assert ended.code == 2
    assert "needs Dask, and distributed is not installed: pip install 'nephi-registration[cluster]'" in ended.complaint
    assert not (tmp_path / "out").exists()


def test_dask_is_imported_only_when_it_is_asked_for():
    program = "import sys, NePhiCore.cli; print([m for m in ('dask', 'distributed', 'torch') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], env=own_environment(), capture_output=True, text=True)
    assert said.stdout == "[]\n", said.stderr


def test_slurm_needs_its_commands(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DependencyError, match="sbatch, which is not found"):
        check_dask(with_slurm=True)


def test_a_scheduler_that_does_not_answer_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_clusters, "_CONNECT_S", 1)
    with pytest.raises(NePhiError, match="No Dask scheduler answers at tcp://127.0.0.1:1"):
        with dask_clusters.existing_workers("tcp://127.0.0.1:1", RunLog(tmp_path / "log")):
            pass


def test_options_of_slurm_are_read_as_what_they_are():
    said = ["queue=long", "cores=4", "memory=16GB", "processes=1", "security=true", "job_extra_directives=--gres=gpu:1"]
    assert slurm_options(said) == {
        "queue": "long",
        "cores": 4,
        "memory": "16GB",
        "processes": 1,
        "security": True,
        "job_extra_directives": ["--gres=gpu:1"],
    }
    with pytest.raises(SettingsError, match="expected KEY=VALUE"):
        slurm_options(["queue"])


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of dask-jobqueue's own half-made cluster
def test_slurm_options_that_do_not_exist_or_are_missing_are_said(tmp_path):
    for options in ({"no_such_option": 1, "cores": 1, "memory": "1GB"}, {}):
        with pytest.raises(SettingsError, match="--slurm-option KEY=VALUE"):
            with dask_clusters.slurm_workers(1, options, RunLog(tmp_path / "log")):
                pass


def test_a_run_whose_workers_do_not_come_back_ends():
    class Client:
        def nthreads(self):
            return {}

    assert DaskWorkers(Client()).capacity() == 0
    assert DaskWorkers(Client(), patience_s=1000).capacity() == 0
    with pytest.raises(WorkersLostError, match="no worker for 0 minutes"):
        DaskWorkers(Client(), patience_s=-1).capacity()


def environment_of_worker():
    return tuple(map(os.environ.get, ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")))


def test_every_worker_has_a_gpu_of_its_own_and_may_keep_its_memory(tmp_path):
    import dask
    from dask.utils import parse_timedelta

    with dask_clusters.local_workers(2, ["3", "GPU-7"], RunLog(tmp_path / "log")) as workers:
        wait_for(lambda: len(workers._client.nthreads()) == 2)
        workers._counted_s = float("-inf")
        assert workers.capacity() == 2
        seen = workers._client.run(environment_of_worker)
        assert parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")) > 600
    assert sorted(seen.values()) == [("3", "1", None), ("GPU-7", "1", None)]


def test_what_a_job_script_says_lets_workers_keep_their_memory():
    program = "from distributed import nanny; print(nanny._get_env_variables('distributed.nanny.pre-spawn-environ'))"
    script = f'{dask_clusters._KEEP_MEMORY}\nexec {sys.executable} -c "{program}"'
    said = subprocess.run(["bash", "-c", script], env=own_environment(), capture_output=True, text=True)
    assert "OMP_NUM_THREADS" in said.stdout and "MALLOC" not in said.stdout, said.stderr


def test_no_more_workers_are_started_than_there_are_gpus(tmp_path, monkeypatch):
    import torch

    from NePhiBatch import batch_command
    from NePhiCore.device import gpu_names

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_names(torch.device("cuda")) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    assert gpu_names(torch.device("cuda")) == ["4", "6"]
    assert gpu_names(torch.device("cpu")) == []

    asked = []
    monkeypatch.setattr("NePhiCore.device.choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(batch_command, "local_workers", lambda *arguments: asked.append(arguments))
    from NePhiBatch.batch_arguments import parse_script_arguments
    from NePhiCore.cli_run import Run
    from NePhiCore.settings import settings_for

    said = []
    options = parse_script_arguments(["m.csv", "out", "--workers", "3"])
    batch_command._chosen_workers(options, settings_for("fast"), Run(None, None, say=said.append))("log")
    assert asked == [(2, ["4", "6"], "log")]
    assert said == ["nephi: 2 workers instead of 3: each needs a GPU of its own (or --device cpu)."]


@pytest.fixture(autouse=True)
def on_two_cores(monkeypatch):
    """As many threads as the tests use, whatever machine they run on."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Path(QUICK_PROGRAM).exists()
