"""The watch over the readers sees what it is there for."""

import os
import subprocess
import sys

import pytest
from core.command_cases import own_environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT TESTED HERE: needs processes that fork")

PROGRAM = """
import os, sys, time
from pathlib import Path
from benchmarks.soak.confined import confined
from NePhiCore.errors import InvalidVolumeError

def refuse(): raise InvalidVolumeError("no image")
def babble(): raise InvalidVolumeError("x" * 5000)
def write(path): open(path, "w").close()

here, up = Path(sys.argv[1]), Path(sys.argv[1]).parent / "stray"
works = [lambda: 7, refuse, babble, lambda: 1 / 0, lambda: bytes(1 << 33), os.abort, lambda: os.system("true"),
         lambda: write("inside"), lambda: write(up)]
for work in works:
    outcome = confined(work, here, seconds=5)
    print(outcome.verdict, outcome.words[:40])
print(confined(lambda: time.sleep(100), here, seconds=1).words)
print(confined(lambda: sum(iter(lambda: 1, 0)), here, seconds=1).words)
"""
EXPECTED = [
    "result 7",
    "refused InvalidVolumeError: no image",
    "fault a message of 5000 characters: xxxxxxxxxx",
    "fault ZeroDivisionError: division by zero (out",
    "fault MemoryError:  (outside this package)",
    "fault ended by SIGABRT",
    "fault did what it must not: os.system",
    "result None",
    "fault did what it must not: writing ",
    "waits without end",
]


def test_every_kind_of_harm_is_seen(repository, tmp_path):
    (tmp_path / "here").mkdir()
    environment = own_environment()
    environment["PYTHONPATH"] += os.pathsep + str(repository)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "here")]
    *lines, last = subprocess.run(command, env=environment, capture_output=True, text=True).stdout.splitlines()
    assert [line[: len(expected)] for line, expected in zip(lines, EXPECTED)] == EXPECTED
    assert last in ("ended by SIGXCPU", "waits without end")  # the latter where the machine is too busy to compute
