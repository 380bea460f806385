"""`make audit`: a known fault fails unless it is explained; a network that is not there is said, and fails nothing."""

import importlib.util
import subprocess
import sys

import pytest

FAULT = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"], "description": ""}
CLEAN = {"name": "clean", "version": "1.0", "vulns": []}
ILL = {"name": "ill", "version": "1.0", "vulns": [FAULT]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)"}


@pytest.fixture
def audit(repository, monkeypatch):
    spec = importlib.util.spec_from_file_location("audit", repository / ".ci/audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "installed", lambda: ["clean==1.0"])
    return module


def test_a_fault_fails_and_says_which_version_mends_it(audit):
    lines, code = audit.verdict({"dependencies": [CLEAN, ILL]}, {})
    assert code == 1
    assert lines[0] == "FAULT: ill 1.0, PYSEC-1: mended in 2.0"
    assert lines[-1] == "audited 2 of 2 packages, 1 faults that nobody has explained"


@pytest.mark.parametrize("number", ["PYSEC-1", "CVE-1"])
def test_an_explained_fault_does_not_fail(audit, number):
    lines, code = audit.verdict({"dependencies": [ILL]}, {number: "its server is never started"})
    assert (lines[0], code) == ("explained: ill 1.0, PYSEC-1: its server is never started", 0)


def test_an_explanation_of_nothing_is_pointed_out(audit):
    lines, code = audit.verdict({"dependencies": [CLEAN]}, {"CVE-2": "why"})
    assert code == 0 and any("no longer found" in line and "CVE-2" in line for line in lines)


def test_packages_that_the_lists_do_not_know_are_named(audit):
    lines, code = audit.verdict({"dependencies": [CLEAN, UNKNOWN]}, {})
    assert code == 0 and "!!! NOT AUDITED, for the lists know nothing of them: torch (2.13.0)" in lines
    lines, code = audit.verdict({"dependencies": [UNKNOWN]}, {})
    assert code == 0 and lines[0].startswith("!!! NOT AUDITED: the lists know nothing of any package")


def tool_that(audit, monkeypatch, tmp_path, program: str) -> None:
    """Let a program take the place of pip and pip-audit."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "python"
    script.write_text(f"#!{sys.executable}\nimport sys\n{program}")
    script.chmod(0o755)
    monkeypatch.setattr(audit, "TOOL", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="NOT TESTED HERE: needs programs that are scripts")
@pytest.mark.parametrize(
    "program, complaint",
    [
        ("sys.exit('no matching distribution')", "no matching distribution"),
        ("if 'pip_audit' in sys.argv: sys.exit('ConnectionError: name resolution failed')", "name resolution failed"),
        ("import time; time.sleep(100)", "timed out"),
    ],
)
def test_without_the_network_nothing_fails_and_all_is_said(audit, monkeypatch, tmp_path, capsys, program, complaint):
    tool_that(audit, monkeypatch, tmp_path, program)
    for limit in ("INSTALL_LIMIT_S", "AUDIT_LIMIT_S"):
        monkeypatch.setattr(audit, limit, 20 if "sleep" not in program else 1)
    assert audit.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("!!! NOT AUDITED: ") and complaint in said


@pytest.mark.skipif(sys.platform == "win32", reason="NOT TESTED HERE: needs programs that are scripts")
def test_the_tools_answer_is_read_where_it_found_a_fault_too(audit, monkeypatch, tmp_path, capsys):
    answer = {"dependencies": [ILL], "fixes": []}
    program = f"import json\nif 'pip_audit' in sys.argv:\n    print(json.dumps({answer!r}))\n    sys.exit(1)"
    tool_that(audit, monkeypatch, tmp_path, program)
    assert audit.main() == 1
    assert "FAULT: ill 1.0" in capsys.readouterr().out


def test_every_explanation_explains(audit, monkeypatch, tmp_path):
    assert all(audit.explained().values())
    monkeypatch.setattr(audit, "EXPLAINED", tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("# why\nCVE-1 its server is never started\nCVE-2\n")
    with pytest.raises(SystemExit, match="CVE-2 has no explanation"):
        audit.explained()


def test_labels_of_builds_are_left_out(repository):
    """In the real environment: torch has one, and is what must be audited most."""
    program = "import audit; print(*audit.installed())"
    environment = {"PYTHONPATH": str(repository / ".ci"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True).stdout
    assert "torch==" in said and "+" not in said and "nephi" not in said
