"""The command as a process: its end is quick but loses nothing."""

import subprocess
import sys

import pytest
from command_cases import own_environment


def ran(program: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("main", "code"),
    [
        ("lambda: 0", 0),
        ("lambda: 5", 5),
        ("lambda: sys.exit(2)", 2),
        ("lambda: sys.exit('no')", 1),
        ("lambda: 1 / 0", 1),
    ],
)
def test_the_exit_code_is_that_of_the_command(main, code):
    assert ran(f"import sys\nfrom NePhiCore import program\nprogram.main = {main}\nprogram.run()").returncode == code


def test_what_was_registered_for_the_end_happens_and_what_was_printed_arrives():
    program = (
        "import atexit, threading, time\nfrom NePhiCore import program\n"
        "def main():\n"
        "    atexit.register(lambda: print('and this at the end', end=''))\n"
        "    threading.Thread(target=lambda: (time.sleep(0.3), print('a thread, '))).start()\n"
        "    print('not flushed, ', end='')\n"
        "    return 3\n"
        "program.main = main\nprogram.run()"
    )
    ended = ran(program)
    assert (ended.stdout, ended.returncode) == ("not flushed, a thread, \nand this at the end", 3)


def test_nobody_listens_any_more():
    """A closed pipe on the way out is no reason for another exit code."""
    program = "from NePhiCore import program\nprogram.main = lambda: print('x' * 10) or 4\nprogram.run()"
    child = subprocess.Popen([sys.executable, "-c", program], env=own_environment(), stdout=subprocess.PIPE)
    child.stdout.close()
    assert child.wait(60) == 4
