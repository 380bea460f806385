"""The command is interrupted: in this process at a chosen moment, and as a user does it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from command_cases import (
    QUICK_PROGRAM,
    files_in,
    own_environment,
    quick_registration,
    register_arguments,
    run,
    write_pair,
)

from NePhiCore import pair_run
from NePhiCore.image_io import read_volume
from NePhiCore.registration import register


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


def interrupted_by(signals, also=lambda: None):
    """A register that is sent signals when it begins to optimise."""

    def register_and_interrupt(*images, progress, **more):
        def progress_and_interrupt(message):
            if message.step == "optimisation" and message.iteration is not None:
                while signals:
                    signal.raise_signal(signals.pop(0))
                    also()
            progress(message)

        return register(*images, progress=progress_and_interrupt, **more)

    return register_and_interrupt


def test_an_interrupt_writes_nothing(pair, tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text("old")
    monkeypatch.setattr(pair_run, "register", interrupted_by([signal.SIGINT]))
    finished = run(register_arguments(pair, tmp_path, preset="balanced", iterations=1000))
    assert finished.code == 130
    assert finished.complaint.startswith("nephi: interrupted: Nothing was written")
    assert files_in(tmp_path) == {"report.json": b"old"}


def test_an_interrupt_with_keep_partial_writes_the_best_so_far(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_run, "register", interrupted_by([signal.SIGTERM]))
    finished = run(register_arguments(pair, tmp_path, "--keep-partial", preset="balanced", iterations=1000))
    assert finished.code == 130
    assert finished.complaint == "nephi: interrupted: The best result so far was written."
    assert "Warning: interrupted after 1 of 1000 iterations." in finished.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["cancelled"] is True
    assert len(report["loss"]["iteration"]) == 1
    assert (tmp_path / "transform.h5").exists()


def test_an_interrupt_before_there_is_a_result_leaves_none_to_keep(pair, tmp_path, monkeypatch):
    def read_and_interrupt(path, name):
        signal.raise_signal(signal.SIGINT)
        return read_volume(path, name)

    monkeypatch.setattr("NePhiCore.image_io.read_volume", read_and_interrupt)
    assert run(register_arguments(pair, tmp_path, "--keep-partial")).code == 130
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize(("more", "expected"), [([], set()), (["--keep-partial"], {"transform.h5", "report.json"})])
def test_an_interrupt_while_writing_still_means_all_or_nothing(pair, tmp_path, monkeypatch, more, expected):
    write = pair_run.write_displacement

    def write_and_interrupt(path, field):
        write(path, field)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(pair_run, "write_displacement", write_and_interrupt)
    assert run(register_arguments(pair, tmp_path, *more)).code == 130
    assert set(files_in(tmp_path)) == expected


def test_a_second_interrupt_quits_at_once(pair, tmp_path, monkeypatch):
    def wait():
        time.sleep(0.6)

    monkeypatch.setattr(pair_run, "register", interrupted_by([signal.SIGINT, signal.SIGINT], wait))
    finished = run(register_arguments(pair, tmp_path, "--keep-partial", preset="balanced", iterations=1000))
    assert finished.code == 130
    assert finished.complaint == "nephi: interrupted: Stopped at once; nothing was written."
    assert files_in(tmp_path) == {}


def test_the_signal_handlers_of_the_host_program_come_back(pair, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(register_arguments(pair, tmp_path))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(os.name == "nt", reason="NOT TESTED HERE: Windows sends no SIGINT to a single process")
@pytest.mark.parametrize(("more", "expected"), [([], set()), (["--keep-partial"], {"transform.h5", "report.json"})])
def test_ctrl_c_on_a_running_process(pair, tmp_path, more, expected):
    arguments = register_arguments(pair, tmp_path, *more, preset="balanced", iterations=100_000)
    command = [sys.executable, "-c", QUICK_PROGRAM, *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=own_environment(), stderr=pipe, stdout=pipe, text=True)
    with process:
        seen = ""
        while "optimisation" not in seen:
            seen = process.stderr.readline()
            assert seen, "ended before it began to optimise"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("nephi: interrupted: ")
    assert set(files_in(tmp_path)) == expected
