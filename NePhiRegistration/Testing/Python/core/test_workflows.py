"""What is run elsewhere, and told to contributors, names what there is: make targets, scripts, files."""

import os
import re
import subprocess

import pytest
import yaml


@pytest.fixture(scope="module")
def targets(repository) -> set[str]:
    text = (repository / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


@pytest.fixture(scope="module")
def workflows(repository) -> dict[str, dict]:
    files = sorted((repository / ".github/workflows").glob("*.yml"))
    return {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


@pytest.fixture(scope="module")
def lines(workflows) -> list[str]:
    """Every line that some job runs in a shell."""
    steps = [step for flow in workflows.values() for job in flow["jobs"].values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def test_a_workflow_has_jobs_that_can_be_started(workflows):
    assert workflows
    for name, flow in workflows.items():
        # YAML 1.1 takes the bare word `on` for true.
        assert {"push", "pull_request"} <= set(flow.get("on", flow.get(True))), name
        for job in flow["jobs"].values():
            assert job["runs-on"] and job["timeout-minutes"] > 0
            assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_every_system_runs_the_same_targets(workflows, lines, targets):
    matrix = workflows["test.yml"]["jobs"]["test"]["strategy"]["matrix"]
    assert {os_name.split("-")[0] for os_name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    called = {target for line in lines for target in re.findall(r"^make (\w+)", line)}
    assert {"check", "test", "demo"} <= called <= targets


def test_the_pythons_are_those_that_the_package_supports(workflows, repository):
    pythons = workflows["test.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (repository / "pyproject.toml").read_text(encoding="utf-8"))
    assert pythons[0] == oldest.group(1)
    assert f"{pythons[0]} to {pythons[-1]}" in (repository / "Makefile").read_text(encoding="utf-8")


def test_scripts_that_are_run_are_there(lines, repository):
    called = {name for line in lines for name in re.findall(r"/src/(\S+)", line)}
    assert called == {".ci/slicer"}
    for name in (*called, ".ci/run"):
        assert os.access(repository / name, os.X_OK), name
        assert subprocess.run(["bash", "-n", str(repository / name)]).returncode == 0


def test_what_a_change_must_pass_is_what_the_workflow_runs(repository, lines):
    here = re.findall(r"^make (\w+)", (repository / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(here) == {target for line in lines for target in re.findall(r"^make (\w+)", line)}


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md"])
def test_targets_that_a_document_names_are_there(repository, targets, document):
    text = (repository / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z]+)", text))
    assert named and named <= targets


def test_places_that_contributors_are_sent_to_are_there(repository):
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {
        name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name or name.endswith((".py", ".md", ".toml"))
    }
    folders = ("", "NePhiRegistration", "NePhiRegistration/NePhiCore", "NePhiRegistration/NePhiRegistrationLib")
    missing = {name for name in named if not any((repository / folder / name).exists() for folder in folders)}
    assert len(named) > 20
    assert not missing
