import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from file_size_limit import files_of_at_most

from NePhiCore import output_files
from NePhiCore.errors import OutputError
from NePhiCore.output_files import StagedOutputs, check_targets


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, hidden ones too."""
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def with_old_files(tmp_path) -> Path:
    (tmp_path / "a.h5").write_text("old a")
    (tmp_path / "b.json").write_text("old b")
    return tmp_path


def test_files_appear_together_at_the_end(with_old_files):
    with StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "c.nii.gz").write_text("new c")
        assert (with_old_files / "a.h5").read_text() == "old a"
        assert not (with_old_files / "c.nii.gz").exists()
    assert contents(with_old_files) == {"a.h5": "new a", "b.json": "old b", "c.nii.gz": "new c"}


def test_files_reach_the_disk_before_old_ones_are_replaced(with_old_files, monkeypatch):
    flushed = []
    monkeypatch.setattr(output_files.os, "fsync", lambda _: flushed.append((with_old_files / "a.h5").read_text()))
    with StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "b.json").write_text("new b")
    assert flushed == ["old a", "old a"]


@pytest.mark.parametrize("name, suffix", [("w.nii.gz", ".nii.gz"), ("T.H5", ".h5"), ("report", "")])
def test_temporary_names_keep_the_format_and_the_folder(tmp_path, name, suffix):
    outputs = StagedOutputs()
    temporary = outputs.stage(tmp_path / name)
    assert temporary.parent == tmp_path
    assert temporary.name.startswith(".") and temporary.name.endswith(suffix)
    assert temporary != StagedOutputs().stage(tmp_path / name)


def test_long_names_in_any_script_fit(tmp_path):
    target = tmp_path / ("肺" * 75 + ".nii.gz")
    with StagedOutputs() as outputs:
        outputs.stage(target).write_text("new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt(), SystemExit(1)])
def test_any_error_leaves_everything_as_it_was(with_old_files, error):
    with pytest.raises(type(error)), StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "c.h5").write_text("new c")
        raise error
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


def test_a_full_disk_is_said_in_words(with_old_files):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="disk is full; .* unchanged"), StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        Path("/dev/full").write_text("new b")
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


def test_a_file_that_cannot_grow_is_said_in_words(with_old_files):
    with files_of_at_most(100), pytest.raises(OutputError, match="larger than this system allows"):
        with StagedOutputs() as outputs:
            outputs.stage(with_old_files / "a.h5").write_text("new a" * 100)
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


def test_messages_name_the_target_and_not_the_temporary_file(with_old_files):
    with pytest.raises(OutputError) as error, StagedOutputs() as outputs:
        raise OutputError(f"{outputs.stage(with_old_files / 'a.h5')} is broken")
    assert str(error.value) == f"{with_old_files / 'a.h5'} is broken"


def test_a_staged_file_that_was_never_written_is_an_error(with_old_files):
    with pytest.raises(OutputError, match="unchanged"), StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "b.json")
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


def fail_at(monkeypatch, function: str, name: str, error: BaseException) -> None:
    """Make os.replace or os.link fail where its last argument or its first is the file of this name."""
    real = getattr(os, function)

    def failing(source, target):
        if Path(target if function == "replace" else source).name == name:
            raise error
        real(source, target)

    monkeypatch.setattr(output_files.os, function, failing)


@pytest.mark.parametrize("has_hard_links", [True, False])
@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "in use"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_put_in_place_undoes_the_others(with_old_files, monkeypatch, has_hard_links, error):
    if not has_hard_links:
        fail_at(monkeypatch, "link", "a.h5", OSError(errno.EPERM, "no hard links"))
    fail_at(monkeypatch, "replace", "d.png", error)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected), StagedOutputs() as outputs:
        for name in ("a.h5", "c.h5", "d.png", "b.json"):
            outputs.stage(with_old_files / name).write_text("new")
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


def test_works_without_hard_links(with_old_files, monkeypatch):
    fail_at(monkeypatch, "link", "a.h5", OSError(errno.EPERM, "no hard links"))
    with StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
    assert contents(with_old_files) == {"a.h5": "new a", "b.json": "old b"}


def test_says_what_was_written_where_even_the_undoing_fails(with_old_files, monkeypatch):
    real = os.replace

    def failing(source, target):
        if Path(target).name == "b.json" or Path(source).suffix == ".old":
            raise OSError(errno.EIO, "disk error")
        real(source, target)

    monkeypatch.setattr(output_files.os, "replace", failing)
    with pytest.raises(OutputError) as error, StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "b.json").write_text("new b")
    backup = next(path for path in with_old_files.iterdir() if path.name.startswith(".a.h5"))
    assert backup.read_text() == "old a"
    assert f"{with_old_files / 'a.h5'} (old content: {backup})" in str(error.value)


def test_a_link_goes_on_pointing_at_its_file(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.h5").write_text("old")
    (tmp_path / "link.h5").symlink_to(tmp_path / "elsewhere" / "real.h5")
    with StagedOutputs() as outputs:
        outputs.stage(tmp_path / "link.h5").write_text("new")
    assert (tmp_path / "link.h5").is_symlink()
    assert contents(tmp_path / "elsewhere") == {"real.h5": "new"}


def test_relative_targets_are_written_where_they_were_meant(tmp_path, monkeypatch):
    (tmp_path / "later").mkdir()
    monkeypatch.chdir(tmp_path)
    with StagedOutputs() as outputs:
        outputs.stage("a.h5").write_text("new")
        os.chdir("later")
    assert (tmp_path / "a.h5").read_text() == "new"


def test_good_targets_pass_and_nothing_is_left_behind(with_old_files):
    check_targets([with_old_files / "a.h5", with_old_files / "new.h5", str(with_old_files / "other.json")])
    assert contents(with_old_files) == {"a.h5": "old a", "b.json": "old b"}


@pytest.mark.parametrize(
    "name, complaint",
    [
        ("missing/t.h5", "the folder .*missing does not exist"),
        ("a.h5/t.h5", "the folder .*a.h5 is not a folder"),
        (f"{'t' * 300}.h5", "cannot be written .*Choose another name"),
        (".", "it is a folder"),
    ],
)
def test_refuses_targets_that_cannot_be(with_old_files, name, complaint):
    with pytest.raises(OutputError, match=complaint):
        check_targets([with_old_files / name])
    with pytest.raises(OutputError, match=complaint), StagedOutputs() as outputs:
        outputs.stage(with_old_files / name)


def test_refuses_a_device():
    with pytest.raises(OutputError, match="no ordinary file"):
        check_targets([os.devnull])


@pytest.mark.parametrize("other", ["t.h5", "./t.h5", "sub/../t.h5", "link.h5"])
def test_refuses_two_outputs_in_one_file(tmp_path, other):
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.h5").symlink_to(tmp_path / "t.h5")
    with pytest.raises(OutputError, match="are the same file"):
        check_targets([tmp_path / "t.h5", f"{tmp_path}/{other}"])
    with pytest.raises(OutputError, match="are the same file"), StagedOutputs() as outputs:
        outputs.stage(tmp_path / "t.h5").write_text("")
        outputs.stage(f"{tmp_path}/{other}")
    assert not (tmp_path / "t.h5").exists()


def test_refuses_a_read_only_folder_and_file(as_an_ordinary_user):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "old.h5").write_text("old")
        (Path(folder) / "old.h5").chmod(0o444)
        with pytest.raises(OutputError, match="write-protected"):
            check_targets([Path(folder) / "old.h5"])
        os.chmod(folder, 0o555)
        with pytest.raises(OutputError, match="no file can be made in the folder .*Permission denied"):
            check_targets([Path(folder) / "new.h5"])
        os.chmod(folder, 0o000)
        with pytest.raises(OutputError, match="no file can be made in the folder"):
            check_targets([Path(folder) / "new.h5"])
        os.chmod(folder, 0o755)


def test_refuses_a_read_only_disk(tmp_path, monkeypatch):
    def read_only(**options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(options["dir"]))

    monkeypatch.setattr(output_files.tempfile, "TemporaryFile", read_only)
    with pytest.raises(OutputError, match="Read-only file system"):
        check_targets([tmp_path / "t.h5"])


def test_leftovers_of_killed_runs_go_with_the_next_outputs_and_nothing_else_does(with_old_files):
    program = (
        "import os, sys; from pathlib import Path; from NePhiCore.output_files import StagedOutputs, _hidden_name\n"
        "target = Path(sys.argv[1]) / 'a.h5'\n"
        "with StagedOutputs() as outputs:\n"
        "    outputs.stage(target).write_text('half')\n"
        "    _hidden_name(target, '.old').write_text('older a')\n"
        "    os._exit(9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program, str(with_old_files)], env=environment).returncode == 9
    killed = [name for name in contents(with_old_files) if name.startswith(".a.h5.")]
    assert len(killed) == 2
    mine = output_files._hidden_name(with_old_files / "a.h5", ".part.h5")
    mark = killed[0].split(".")[3]
    others = [".a.h5.notes", f".a.h5.{mark}.part.h5", f".b.json.{mark}.0123456789ab.old", f".a.h5.x-{mark}.old"]
    for name in (mine.name, *others):
        (with_old_files / name).write_text("kept")
    with StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        outputs.stage(with_old_files / "c.h5").write_text("new c")
    assert set(contents(with_old_files)) == {"a.h5", "b.json", "c.h5", mine.name, *others}


def test_leftovers_stay_where_the_next_run_fails(with_old_files, monkeypatch):
    monkeypatch.setattr(output_files, "is_of_dead_process", lambda mark: True)
    left = output_files._hidden_name(with_old_files / "a.h5", ".old")
    left.write_text("older a")
    with pytest.raises(ValueError), StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
        raise ValueError
    assert left.exists()
    with StagedOutputs() as outputs:
        outputs.stage(with_old_files / "a.h5").write_text("new a")
    assert not left.exists()


def test_nothing_is_written_where_another_file_would_be_read_in_its_place(tmp_path):
    (tmp_path / "w.nii").write_text("there before")
    with pytest.raises(OutputError, match="w.nii.gz cannot be written beside w.nii: "):
        check_targets([tmp_path / "w.nii.gz"])
    with pytest.raises(OutputError, match="v.nii.gz cannot be written beside v.nii: "):
        check_targets([tmp_path / "v.nii.gz", tmp_path / "v.nii"])
    check_targets([tmp_path / "v.nii.gz", tmp_path / "w.nii"])
