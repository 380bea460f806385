"""Memory that arrays give back is kept for the next ones."""

import subprocess
import sys

import pytest
from command_cases import own_environment

FAULTS = """
import resource, sys
from NePhiCore.kept_memory import keep_memory
if sys.argv[-1] == "keep": keep_memory()
import torch
def faults():
    for mebi in range(2, 13): torch.ones(mebi << 20).add(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults()
before = faults()
for again in range(5): after = faults()
print(after - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT TESTED HERE: needs Linux with glibc")
def test_later_arrays_take_the_pages_of_earlier_ones():
    """Five times twice 8 to 48 MiB, eleven sizes: hundreds of thousands of pages, filled with zeros when first touched.

    Kept memory may still grow by the largest array now and then, where small ones lie in between.
    """
    command = [sys.executable, "-c", FAULTS]
    kept, returned = (
        int(subprocess.run([*command, how], env=own_environment(), capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "return")
    )
    assert returned > 100_000, "or there would be nothing to keep"
    assert kept < returned / 5


GIVEN_BACK = """
import os
from NePhiCore.kept_memory import give_back_memory, keep_memory
import torch
def resident_mb():
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
keep_memory()
arrays = [torch.ones(20 << 18) for _ in range(20)]
del arrays
before = resident_mb()
give_back_memory()
print(before - resident_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT TESTED HERE: needs Linux with glibc")
def test_what_is_kept_can_be_given_back():
    """Twenty arrays of 20 MiB."""
    command = [sys.executable, "-c", GIVEN_BACK]
    given_mb = subprocess.run(command, env=own_environment(), capture_output=True, text=True, check=True).stdout
    assert float(given_mb) > 300
