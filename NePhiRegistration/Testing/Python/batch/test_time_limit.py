"""Work that takes too long ends its process, and says where it was."""

import subprocess
import sys

import pytest
from core.command_cases import own_environment, run

from NePhiBatch.batch_arguments import parse_script_arguments
from NePhiBatch.time_limit import ended_after

PROGRAM = """
import sys
from pathlib import Path
from NePhiBatch.time_limit import ended_after
with ended_after({seconds}, Path(sys.argv[1])):
    {work}
print("done")
"""
# Python's lock is kept: no thread of Python could end this.
NEVER_ENDING = "import ctypes; ctypes.PyDLL(None).sleep(1000)"


def ended(tmp_path, seconds, work):
    program = PROGRAM.format(seconds=seconds, work=work)
    command = [sys.executable, "-c", program, str(tmp_path / "note")]
    return subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=200)


@pytest.mark.skipif(sys.platform == "win32", reason="NOT TESTED HERE: there is no function sleep to call")
def test_what_never_ends_is_ended_and_its_place_noted(tmp_path):
    said = ended(tmp_path, 0.2, NEVER_ENDING)
    assert (said.returncode, said.stdout) == (1, "")
    assert "line 6 in <module>" in (tmp_path / "note").read_text(encoding="utf-8")


def test_what_ends_in_time_goes_on_after_it(tmp_path):
    said = ended(tmp_path, 0.2, "pass\nimport time; time.sleep(0.5)")
    assert (said.returncode, said.stdout) == (0, "done\n")
    assert not (tmp_path / "note").exists()


def test_a_note_of_others_stays_and_errors_pass(tmp_path):
    (tmp_path / "note").write_text("a line\n")
    with pytest.raises(ValueError, match="its own"), ended_after(100, tmp_path / "note"):
        raise ValueError("its own")
    assert (tmp_path / "note").read_text(encoding="utf-8") == "a line\n"


def test_no_limit_needs_no_note(tmp_path):
    with ended_after(None, tmp_path / "missing" / "note"):
        pass


def test_the_option_is_in_minutes():
    def limit(*more):
        return parse_script_arguments(["m.csv", "out", *more]).time_limit

    assert limit() == 120 * 60
    assert limit("--time-limit", "1.5") == 90
    assert limit("--time-limit", "0") is None


@pytest.mark.parametrize("said", ["-1", "nan", "inf", "soon"])
def test_what_is_no_time_is_refused(tmp_path, said):
    finished = run(["batch", str(tmp_path), "--output", str(tmp_path / "out"), f"--time-limit={said}"])
    assert finished.code == 2
    assert "expected minutes, or 0 for no limit" in finished.complaint
