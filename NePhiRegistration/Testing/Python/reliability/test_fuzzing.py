"""Files spoilt at random and files made to hurt: a NePhiError or a clean result, within bounds of memory and time."""

import json
import os
import subprocess
import sys

import pytest
from core.command_cases import own_environment

from benchmarks.soak.samples import SAMPLES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT TESTED HERE: needs processes that fork")

QUICK = ["--seed", "1", "--inputs", "12"]
MOST_MEMORY_BYTES = 1 << 30
MOST_SECONDS = 30


@pytest.fixture(scope="module")
def tallies(repository, tmp_path_factory):
    """What became of each kind of file. In a process of its own: one that forks must not have other threads."""
    found = tmp_path_factory.mktemp("fuzzing") / "found.json"
    command = [sys.executable, "-m", "benchmarks.soak", *QUICK, "--sweeps", "--json", str(found)]
    environment = own_environment()
    environment["PYTHONPATH"] += os.pathsep + str(repository)
    ended = subprocess.run(command, env=environment, cwd=repository, capture_output=True, text=True, timeout=280)
    assert found.exists(), ended.stderr
    return {tally["kind"]: tally for tally in json.loads(found.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("kind", [*SAMPLES, "made to hurt"])
def test_no_file_does_harm(tallies, kind):
    tally = tallies[kind]
    assert tally["faults"] == {}
    assert tally["memory_bytes"] < MOST_MEMORY_BYTES and tally["seconds"] < MOST_SECONDS


def test_good_files_are_among_them_and_spoilt_ones_are_refused(tallies):
    """Readers that refuse everything, or nothing, would pass the test above."""
    verdicts = [tally["verdicts"] for tally in tallies.values()]
    assert sum(counts.get("refused", 0) for counts in verdicts) > 60
    assert sum(counts.get("result", 0) for counts in verdicts) > 20
