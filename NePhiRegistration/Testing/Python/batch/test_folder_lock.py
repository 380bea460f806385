import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from core.command_cases import own_environment

from NePhiBatch import folder_lock
from NePhiBatch.folder_lock import FolderLock, read_token
from NePhiCore.errors import OutputError

HOLD = """
import sys, time
from pathlib import Path
from NePhiBatch.folder_lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".batch")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=own_environment(), text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_told_who_has_the_folder(tmp_path, holder):
    with pytest.raises(OutputError, match=rf"Another run is working .*process {holder.pid} on "):
        with FolderLock(tmp_path / ".batch"):
            pass
    assert read_token(tmp_path / ".batch") is not None


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, holder):
    before = read_token(tmp_path / ".batch")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with FolderLock(tmp_path / ".batch") as lock:
        assert read_token(tmp_path / ".batch") == lock.token != before


def test_the_note_goes_with_the_run(tmp_path):
    with FolderLock(tmp_path / ".batch") as lock:
        assert read_token(tmp_path / ".batch") == lock.token
        with pytest.raises(OutputError, match="Another run"):  # in the same process too
            with FolderLock(tmp_path / ".batch"):
                pass
    assert read_token(tmp_path / ".batch") is None
    with FolderLock(tmp_path / ".batch"):
        pass


def test_the_note_of_another_run_is_left_alone(tmp_path):
    with FolderLock(tmp_path / ".batch"):
        (tmp_path / ".batch/run.json").write_text(json.dumps({"token": "another"}))
    assert read_token(tmp_path / ".batch") == "another"


def test_a_disk_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(folder_lock, "_lock_at_once", refuse)
    with pytest.raises(OutputError, match="knows no file locks"):
        with FolderLock(tmp_path / ".batch"):
            pass


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / ".batch").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        with FolderLock(tmp_path / ".batch"):
            pass
