"""A process that registers again and again gathers nothing. `python -m benchmarks.soak.load` does it 500 times."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from core.command_cases import own_environment

from benchmarks.soak import flatness

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="NOT TESTED HERE: needs Linux")


def test_what_a_process_holds_is_seen(tmp_path):
    before = flatness.take(0)
    kept, done = [[] for _ in range(1000)], threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with (
        open(tmp_path / "file", "w", encoding="utf-8"),
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
    ):
        after = flatness.take(1)
        child.communicate(b"\n")
    done.set()
    thread.join()
    more = {name: after[name] - before[name] for name in before}
    assert (more["children"], more["threads"]) == (1, 1)
    assert more["open files"] == 2  # the file, and the pipe to the child
    assert more["Python objects"] >= len(kept)


def samples(**each: float) -> list[flatness.Sample]:
    start = flatness.take(0)
    return [{name: value + n * each.get(name.split()[-1], 0) for name, value in start.items()} for n in range(20)]


@pytest.mark.parametrize("each", [{"files": 1}, {"threads": 0.1}, {"children": 0.1}, {"KiB": 300}, {"objects": 50}])
def test_whatever_grows_is_found(each):
    (found,) = flatness.growing(samples(round=1, **each))
    assert found.endswith(next(iter(each)))


def test_what_is_flat_or_falls_does_not_grow():
    assert flatness.growing(samples(round=1)) == flatness.growing(samples(round=1, KiB=-500, files=-1)) == {}


def test_memory_is_not_judged_in_a_few_samples():
    grown = samples(round=1, KiB=300)
    assert flatness.growing(grown[: flatness.LEAST_SAMPLES_OF_MEMORY])
    assert flatness.growing(grown[: flatness.LEAST_SAMPLES_OF_MEMORY - 1]) == {}


def test_growth_at_the_beginning_alone_is_none():
    early = [sample | {"open files": 9.0 - max(0, 9 - n)} for n, sample in enumerate(samples(round=1))]
    assert flatness.growing(early) == {}


def test_a_few_registrations_in_one_process_gather_nothing(repository):
    command = [sys.executable, "-m", "benchmarks.soak.load", "--registrations", "6"]
    environment = own_environment() | {"PYTHONPATH": f"{repository / 'NePhiRegistration'}:{repository}"}
    ended = subprocess.run(command, env=environment, cwd=repository, capture_output=True, text=True, timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("6 registrations in ")
