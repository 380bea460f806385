"""The stand-in starts, prints and ends as Slicer 5.6.2 was seen to do."""

import subprocess

import pytest
from script_cases import slicer_with


def ended(tmp_path, source, *options, arguments=()):
    (tmp_path / "f.py").write_text(source)
    with slicer_with("f.py", arguments, *options, folder=tmp_path) as process:
        out, err = process.communicate(timeout=250)
    return process.returncode, out, err


def test_what_a_script_finds(tmp_path):
    source = """
import sys, slicer
print(sys.argv, __name__, __file__)
print(hasattr(sys.stdout, "encoding"), hasattr(sys.stdout, "fileno"), sys.stdout.isatty())
print(slicer.util.mainWindow(), slicer.app.layoutManager())
slicer.util.exit(3)
print("goes on")
"""
    code, out, err = ended(tmp_path, source, arguments=["a", "--b=1", "--testing"])
    assert code == 3, err
    assert out.splitlines() == [
        "['f.py', 'a', '--b=1', '--testing'] __main__ f.py",
        "False False False",
        "None None",
        "goes on",
    ]


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        ("import sys; sys.exit(5)", (), 5),
        ("import slicer; slicer.util.exit(0); 1 / 0", (), 0),
        ("1 / 0", ("--testing",), 1),
        ("pass", ("--exit-after-startup",), 0),
    ],
)
def test_exit_codes(tmp_path, source, options, code):
    assert ended(tmp_path, source, *options)[0] == code


@pytest.mark.parametrize("source", ["print('through', flush=True)", "print('through', flush=True); 1 / 0"])
def test_a_script_that_does_not_ask_for_the_end_leaves_the_application_running(tmp_path, source):
    (tmp_path / "f.py").write_text(source)
    with slicer_with("f.py", [], folder=tmp_path) as process:
        assert process.stdout.readline() == "through\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
