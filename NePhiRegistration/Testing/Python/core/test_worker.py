"""The child process: its messages, its errors and its end. What a window makes of it is tested in module/."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from command_cases import LUNGS, ORIGIN_RAS_MM, SHIFT_RAS_MM, grid, hu, write_pair

import NePhiCore
from NePhiCore.job_files import read_array, read_result, write_job
from NePhiCore.pair_data import MaskPart, PairInputs
from NePhiCore.settings import settings_for
from NePhiCore.volume import Volume

PROGRAM = """
import sys
from pathlib import Path
from NePhiCore.model import NePhiModel
def encode(model, *images):
    print("a library talks", flush=True)
    return model.empty_code(), None
NePhiModel.encode = encode
from NePhiCore.worker import main
sys.exit(main(Path(sys.argv[1])))
"""
SETTINGS = {"grid_spacing_mm": 8.0, "device": "cpu"}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return str(write_pair(tmp_path_factory.mktemp("model")) / "small.pt")


def write(folder: Path, model_file: str | None, moving_origin=ORIGIN_RAS_MM + SHIFT_RAS_MM, **settings) -> None:
    """A job for the tiny pair."""
    lungs = np.zeros(hu().shape, np.uint8)
    lungs[LUNGS] = 1
    volumes = [Volume(hu(), grid(origin), "ct") for origin in (ORIGIN_RAS_MM, moving_origin)]
    masks = [(MaskPart(lungs, volume.geometry),) for volume in volumes]
    for _ in write_job(
        folder, PairInputs(*volumes, *masks), {**settings_for(**{**SETTINGS, **settings}).as_dict()}, model_file
    ):
        pass


class Child:
    """A worker at its work, and what it has said."""

    def __init__(self, folder: Path) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "PYTHONPATH": str(Path(NePhiCore.__file__).parents[1])}
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.errors: list[str] = []
        self._reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def messages(self):
        for line in self.process.stdout:
            yield json.loads(line)

    def end(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join()
        return code

    def close(self) -> None:
        self.process.kill()
        self.end()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


@pytest.fixture
def start():
    """Starts workers; those that still run when the test ends are ended."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(contextlib.closing(Child(folder)))


def test_a_job_becomes_a_result(start, tmp_path, model_file):
    write(tmp_path, model_file, preset="fast")
    child = start(tmp_path)
    *told, last = child.messages()
    assert (child.end(), last) == (0, {"finished": True})
    assert told[0] == {"step": "starting", "share": 0.0, "iteration": None, "loss": None}
    assert [message["share"] for message in told] == sorted(message["share"] for message in told)
    assert any("a library talks" in line for line in child.errors)  # and not among the messages
    np.testing.assert_array_equal(read_result(tmp_path).warped, hu())


def test_it_shows_the_map_of_the_moment_and_keeps_the_best_when_told(start, tmp_path, model_file):
    write(tmp_path, model_file, preset="balanced", iterations=100_000)
    child, shown = start(tmp_path), []
    for message in child.messages():
        if "preview" in message:
            shown.append(read_array(tmp_path / message["preview"]))
            assert shown[-1].shape[-1] == 3 and len(message["ijk_to_ras"]) == 4
            child.process.stdin.write("keep\n")
            child.process.stdin.flush()
    assert child.end() == 0
    assert shown
    assert read_result(tmp_path).figures["cancelled"]


def test_an_error_is_a_message_in_words(start, tmp_path, model_file):
    write(tmp_path, model_file, moving_origin=ORIGIN_RAS_MM + 5000, preset="fast")
    child = start(tmp_path)
    *_, last = child.messages()
    assert child.end() == 2
    assert last["error"] == "InvalidVolumeError"
    assert "do not overlap" in last["message"]


def test_an_unexpected_error_is_a_message_too_and_its_trace_goes_to_the_log(start, tmp_path):
    (tmp_path / "job.json").write_text("{", encoding="utf-8")
    child = start(tmp_path)
    *_, last = child.messages()
    assert child.end() == 1
    assert last["error"] == "JSONDecodeError" and "Please report this" in last["message"]
    assert any("Traceback" in line for line in child.errors)


def test_it_ends_and_cleans_up_when_its_program_has_ended(start, tmp_path, model_file):
    folder = tmp_path / "job"
    folder.mkdir()
    write(folder, model_file, preset="balanced", iterations=100_000)
    child = start(folder)
    next(child.messages())
    child.process.stdin.close()
    assert child.process.wait(timeout=20) == 130
    assert not folder.exists()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="NOT TESTED HERE: needs Linux with autogroups")
@pytest.mark.parametrize("own_session", [True, False])
def test_it_leaves_the_processor_to_the_window_but_not_at_the_cost_of_others_in_its_session(own_session):
    program = (
        "from pathlib import Path\nimport os\nfrom NePhiCore import worker\n"
        "before = Path('/proc/self/autogroup').read_text()\nnice = os.nice(0)\nworker._step_back()\n"
        "print(before == Path('/proc/self/autogroup').read_text(), os.nice(0) > nice, os.nice(0))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(NePhiCore.__file__).parents[1])}
    options = {"env": environment, "capture_output": True, "text": True, "start_new_session": own_session}
    said = subprocess.run([sys.executable, "-c", program], **options, check=True).stdout.split()
    assert said[0] == str(not own_session)
    assert said[1] == "True" or said[2] == "19"
