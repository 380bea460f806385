"""A registration that is killed, runs out of disk or memory, or meets another one: old outputs or new ones, never half.

A sample of the places where it can happen; `make soak` tries all of them.
"""

import json
import math
import os
import subprocess
import sys
import time

import pytest
from core.command_cases import files_in, own_environment, quick_registration, register_arguments, run, write_pair

from benchmarks.soak.fault_sweeps import SWEEPS
from NePhiCore import direction

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT TESTED HERE: needs processes that fork")


@pytest.fixture(scope="module")
def tallies(repository, tmp_path_factory):
    found = tmp_path_factory.mktemp("faults") / "found.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--inputs", "0", "--no-hostile", "--every", "6"]
    environment = own_environment()
    environment["PYTHONPATH"] += os.pathsep + str(repository)
    ended = subprocess.run(
        [*command, "--json", str(found)], env=environment, cwd=repository, capture_output=True, text=True, timeout=280
    )
    assert found.exists(), ended.stderr
    return json.loads(found.read_text(encoding="utf-8"))


@needs_fork
@pytest.mark.parametrize("number", range(len(SWEEPS)), ids=list(SWEEPS))
def test_no_fault_leaves_anything_half(tallies, number):
    tally = tallies[number]
    assert tally["faults"] == {}
    assert sum(tally["verdicts"].values()) > 1


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def old(tmp_path):
    (tmp_path / "transform.h5").write_text("old")
    (tmp_path / "report.json").write_text("old")
    return files_in(tmp_path)


def test_a_loss_that_becomes_nan_midway_is_said_and_changes_nothing(pair, tmp_path, old, monkeypatch):
    total, calls = direction.frobenius, []

    def spoilt(*arguments, **more):
        calls.append(1)
        return total(*arguments, **more) * (math.nan if len(calls) > 3 else 1)

    monkeypatch.setattr(direction, "frobenius", spoilt)
    with quick_registration():
        finished = run(register_arguments(pair, tmp_path, preset="balanced", iterations=10))
    assert finished.code == 3 and len(calls) > 3, finished
    assert "diverged" in finished.complaint and "nan" in finished.complaint
    assert files_in(tmp_path) == old


@pytest.mark.parametrize("jump_s", [-1e8, 1e8])
def test_a_clock_that_jumps_changes_nothing_but_the_time_of_day(pair, tmp_path, monkeypatch, jump_s):
    real, calls = time.time, []

    def jumping():
        calls.append(1)
        return real() + jump_s * (len(calls) % 2)

    monkeypatch.setattr(time, "time", jumping)
    with quick_registration():
        finished = run(register_arguments(pair, tmp_path))
    assert finished.code == 0, finished
    seconds = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["seconds_by_step"].values()
    assert all(0 <= taken < 1000 for taken in seconds)


HUNG_WORKER = """
import sys, time
from pathlib import Path
from NePhiCore import worker
def hang(*arguments):
    {hang}
worker._register = hang
sys.exit(worker.main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("hang", ["time.sleep(1000)", "while True: pass"])
def test_a_child_that_hangs_ends_with_its_program_and_leaves_no_files(tmp_path, hang):
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "fixed.npy").write_bytes(b"scan")
    command = [sys.executable, "-c", HUNG_WORKER.format(hang=hang), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=own_environment(), **pipes) as child:
        assert b"starting" in child.stdout.readline()
        child.stdin.close()
        assert child.wait(timeout=30) == 130
    assert not folder.exists()
