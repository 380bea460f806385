"""Small processes measured from outside."""

import json
import sys

from benchmarks.processes import run_process


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_time_memory_and_steps_of_a_process_are_its_own(tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"seconds_by_step": {"encoding": 1.5}}))
    run = run_process(python("import time; x = bytearray(150_000_000); time.sleep(0.3)"), 1, report)
    assert run.failed is None
    assert run.seconds >= 0.3 and run.cpu_seconds < run.seconds + 0.1
    assert run.peak_bytes > 150_000_000
    assert run.steps == {"encoding": 1.5}


def test_the_memory_of_the_one_that_starts_it_is_not_its_own():
    held = bytearray(b"1") * 400_000_000
    assert run_process(python("pass"), 1).peak_bytes < 100_000_000 < len(held)


def test_a_process_knows_how_many_threads_it_may_use():
    code = "import os, sys; sys.exit(os.environ['OMP_NUM_THREADS'] != '3')"
    assert run_process(python(code), 3).failed is None


def test_a_failure_keeps_its_last_words():
    run = run_process(python("import sys; print('there are no lungs'); sys.exit(4)"), 1)
    assert run.failed == "exit 4: there are no lungs"


def test_what_takes_too_long_is_ended():
    run = run_process(python("import time; time.sleep(60)"), 1, limit_s=0.2)
    assert run.failed == "ended after 0 s" and run.seconds < 10
