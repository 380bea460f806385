"""One worker in a process of its own: the command as a user runs it, killed in every way."""

import os
import signal
import time

import pytest
from batch_cases import (
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


@pytest.fixture
def study(tmp_path):
    """A function that writes a cohort and gives the arguments of a batch on it, and the folder of its results."""

    def make(*names):
        return batch_arguments(write_cohort(tmp_path / "study", names), tmp_path / "out"), tmp_path / "out"

    return make


def waiting(output, case):
    """The process that waits with a case, if there is one."""
    pids = [int(path.name.rpartition("_")[2]) for path in output.glob(f"waiting_{case}_*")]
    return next(filter(is_running, pids), None)


def finished(process):
    out, err = process.communicate(timeout=250)
    return process.returncode, out, err


def test_a_worker_that_is_killed_is_replaced_and_its_case_tried_again(study):
    arguments, output = study("A", "held", "Z")
    with started(arguments) as process:
        pid = wait_for(lambda: waiting(output, "held"), process)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: waiting(output, "held") not in (None, pid), process)
        (output / "release_held").touch()
        code, out, err = finished(process)
    assert (code, out.splitlines()[0][:24]) == (0, "Registered 3 of 3 cases "), err
    assert statuses(output) == {"A": "done", "held": "done", "Z": "done"}
    assert times_put_in_place(output) == {"A": 1, "held": 1, "Z": 1}
    assert rows_of(output)["held"]["attempts"] == "2"
    assert "held: its worker died; attempts that ended so: 1, at most 3" in (output / "batch.log").read_text(
        encoding="utf-8"
    )


def test_a_poisonous_case_is_given_up_and_the_others_are_done(study):
    arguments, output = study("poison", "A")
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 1
    assert "poison failed: Its worker died 3 times" in out
    assert statuses(output) == {"poison": "failed", "A": "done"}
    assert [what for case, what in events(output) if case == "poison"] == ["begins"] * 3
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 1
    assert len(events(output)) == 3 + 3  # nothing was begun anew


def test_a_case_that_never_ends_has_failed_and_the_others_are_done(study):
    arguments, output = study("stuck", "A")
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 1, err
    assert "stuck failed: It was not done after 120 minutes; log.txt says what it was doing." in out
    assert statuses(output) == {"stuck": "failed", "A": "done"}
    log = (output / "cases/stuck/log.txt").read_text(encoding="utf-8")
    assert "Timeout" in log and "quick_batch.py" in log
    assert [what for case, what in events(output) if case == "stuck"] == ["begins"]


def test_an_image_that_crashes_who_looks_at_it_is_a_bad_row(study):
    arguments, output = study("A")
    with open(arguments[1], "a", encoding="utf-8") as file:
        file.write("B,crash.nii.gz,A/moving.nii.gz,,\n")
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 1
    assert "nephi: bad row: line 3, case B: One of its files is damaged so that the program crashes" in err
    assert statuses(output) == {"A": "done", "B": "refused"}


def test_a_killed_run_takes_its_worker_along_and_the_next_goes_on(study):
    arguments, output = study("A", "held", "Z")
    with started(arguments) as process:
        worker = wait_for(lambda: waiting(output, "held"), process)
        process.kill()
        wait_for(lambda: not is_running(worker))
    assert statuses(output) == {"A": "done"}
    (output / "release_held").touch()
    with started(arguments) as process:
        code, out, err = finished(process)
    assert code == 0, err
    assert "2 of 3 cases" in out and "1 were done before" in out
    assert times_put_in_place(output) == {"A": 1, "held": 1, "Z": 1}
    assert not list((output / ".batch/attempts").glob("*/*"))


@pytest.fixture
def hang_up_heard():
    """A command started from here hears SIGHUP, although the tests themselves may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_130_at_once_and_all_can_be_resumed(study, number):
    arguments, output = study("A", "held")
    with started(arguments) as process:
        worker = wait_for(lambda: waiting(output, "held"), process)
        os.killpg(process.pid, number)  # as a terminal does it: to the worker too
        code, out, err = finished(process)
        assert not is_running(worker)
    assert code == 130
    complaint = "nephi: interrupted: 1 of 2 cases are done. The same command goes on from here."
    assert complaint in err.splitlines()
    if number != signal.SIGHUP:  # which ends a process of Python's own too; nobody sees what it says then
        assert err.splitlines()[-1] == complaint, err
        assert "Traceback" not in err
    assert statuses(output) == {"A": "done"}
    assert (output / "index.html").exists()
    assert worker_pids(output) == [worker]


def test_what_is_done_is_in_the_table_at_once(study):
    arguments, output = study("A", "held")
    with started(arguments) as process:
        wait_for(lambda: waiting(output, "held"), process)
        assert statuses(output) == {"A": "done"}
        (output / "release_held").touch()
        assert finished(process)[0] == 0


def test_a_second_run_is_refused_while_the_first_goes_on(study):
    arguments, output = study("held")
    with started(arguments) as first:
        wait_for(lambda: waiting(output, "held"), first)
        with started(arguments) as second:
            code, out, err = finished(second)
        assert code == 2
        assert f"Another run is working in {output} (process {first.pid} on " in err
        (output / "release_held").touch()
        assert finished(first)[0] == 0


def test_progress_comes_line_by_line(study):
    arguments, output = study("A", "held")
    with started(arguments) as process:
        begun = time.monotonic()
        for line in process.stderr:
            if "1 of 2, A done" in line:
                break
        assert waiting(output, "held") or time.monotonic() - begun < 250
        assert process.poll() is None
