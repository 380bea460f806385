"""What a process of our own changes for itself, an import changes for nobody."""

import subprocess
import sys

from command_cases import own_environment

SETTINGS = """
import gc, sys
def settings(): return gc.get_threshold()[0], sys.getswitchinterval()
before = settings()
from NePhiCore.own_process import set_up_own_process
imported = settings()
set_up_own_process()
print(imported == before, settings()[0] > before[0], settings()[1] < before[1])
"""


def test_only_a_process_of_our_own_is_set_up():
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS], env=own_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True"] * 3
