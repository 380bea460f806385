"""NePhiBatch.py as Slicer runs it: arguments, exit codes that arrive, lines that come at once, no way to hang."""

import ast
import os
import signal
import subprocess
import sys

import pytest
from batch_cases import QUICK_PROGRAM, batch_arguments, statuses, wait_for, write_cohort
from script_cases import SCRIPT, slicer_with

# The script with cases that take no time: what it starts loads the file that was started, which is this one.
QUICK_SCRIPT = """
import sys
sys.path[:0] = [{module!r}, {tests!r}]
exec(open({quick!r}).read().partition("if __name__")[0])
exec(compile(open({script!r}).read(), {script!r}, "exec"), {{"__name__": __name__, "__file__": {script!r}}})
"""


@pytest.fixture
def quick_script(tmp_path):
    module, tests = SCRIPT.parents[2], QUICK_PROGRAM.parents[1]
    source = QUICK_SCRIPT.format(module=str(module), tests=str(tests), quick=str(QUICK_PROGRAM), script=str(SCRIPT))
    (tmp_path / "quick_script.py").write_text(source)
    return tmp_path / "quick_script.py"


def arguments_for(tmp_path, *names):
    manifest = write_cohort(tmp_path / "study", names)
    return batch_arguments(manifest, tmp_path / "out", command=())


def ended(process):
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def test_a_cohort_is_registered_and_exit_code_0_arrives(tmp_path, quick_script):
    with slicer_with(quick_script, arguments_for(tmp_path, "A", "B"), folder=tmp_path) as process:
        code, out, err = ended(process)
    assert code == 0, err
    assert out.startswith("Registered 2 of 2 cases")
    assert statuses(tmp_path / "out") == {"A": "done", "B": "done"}
    assert any("1 of 2, A done" in line for line in err.splitlines())


def test_bad_rows_give_exit_code_1(tmp_path, quick_script):
    arguments = arguments_for(tmp_path, "A")
    with (tmp_path / "study/cohort.csv").open("a") as file:
        file.write("B,none.nii,none.nii,,\n")
    with slicer_with(quick_script, arguments, folder=tmp_path) as process:
        code, out, err = ended(process)
    assert code == 1
    assert "nephi: bad row: line 3, case B: fixed:" in err
    assert statuses(tmp_path / "out") == {"A": "done", "B": "refused"}


def test_bad_arguments_give_exit_code_2_and_help_0(tmp_path):
    with slicer_with(SCRIPT, ["none.csv", "out", "--nonsense"], folder=tmp_path) as process:
        code, out, err = ended(process)
    assert code == 2
    assert err == "nephi: error: unrecognized arguments: --nonsense (see NePhiBatch.py --help).\n"
    with slicer_with(SCRIPT, ["--help"], folder=tmp_path) as process:
        code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert "MANIFEST OUTPUT" in out


def test_a_missing_manifest_gives_exit_code_2_and_one_sentence(tmp_path):
    with slicer_with(SCRIPT, ["none.csv", "out"], folder=tmp_path) as process:
        code, out, err = ended(process)
    assert code == 2
    assert "nephi: error: none.csv does not exist." in err
    assert "Traceback" not in err


def test_an_interrupt_gives_exit_code_130_and_lines_come_at_once(tmp_path, quick_script):
    output = tmp_path / "out"
    with slicer_with(quick_script, arguments_for(tmp_path, "A", "held"), folder=tmp_path) as process:
        for line in process.stderr:
            if "1 of 2, A done" in line:
                break
        assert process.poll() is None
        wait_for(lambda: list(output.glob("waiting_held_*")), process)
        os.killpg(process.pid, signal.SIGINT)
        code, out, err = ended(process)
    assert code == 130
    assert "nephi: interrupted: 1 of 2 cases are done." in err
    assert statuses(output) == {"A": "done"}


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        (
            "NePhiRegistrationLib.dependencies.torch_problem = lambda: 'PyTorch is not installed.'",
            2,
            "nephi: error: PyTorch",
        ),
        ("NePhiCore.cli.main = lambda *arguments: 1 / 0", 1, "ZeroDivisionError"),
    ],
)
def test_whatever_goes_wrong_slicer_ends(tmp_path, broken, code, said):
    source = f"import sys; sys.path.insert(0, {str(SCRIPT.parents[2])!r})\n"
    source += f"import NePhiCore.cli, NePhiRegistrationLib.dependencies\n{broken}\n"
    source += f"__file__ = {str(SCRIPT)!r}\nexec(compile(open(__file__).read(), __file__, 'exec'))\n"
    (tmp_path / "broken.py").write_text(source)
    with slicer_with(tmp_path / "broken.py", ["m.csv", "out"], folder=tmp_path) as process:
        got, out, err = ended(process)
    assert got == code
    assert said in err


def test_the_script_is_a_program_of_python_too(tmp_path):
    said = subprocess.run(
        [sys.executable, str(SCRIPT), "none.csv", "out"], capture_output=True, text=True, cwd=tmp_path
    )
    assert said.returncode == 2
    assert "none.csv does not exist" in said.stderr


def test_no_dialog_is_ever_opened():
    """All that the script asks of Slicer is its end."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    asked = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("slicer.")
    }
    assert asked == {"slicer.util", "slicer.util.exit"}
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import) and n.names[0].name in ("qt", "ctk")]
