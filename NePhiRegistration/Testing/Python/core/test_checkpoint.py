"""The weights file: bit for bit there and back, and everything that is not exactly one of ours refused in words."""

import dataclasses
import hashlib
import io
import os
import pickle
import random
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from command_cases import SMALL_MODEL
from file_size_limit import files_of_at_most

from NePhiCore import checkpoint
from NePhiCore.checkpoint import load_checkpoint, save_checkpoint
from NePhiCore.errors import ModelFileError, OutputError
from NePhiCore.model import NePhiModel

ORIGIN = {"data": "none, for tests", "seed": 7, "minutes": 0.5}
WHAT_TO_DO = "Choose a NePhi weights file (.pt)."


@pytest.fixture(scope="module")
def model() -> NePhiModel:
    torch.manual_seed(0)
    return NePhiModel(SMALL_MODEL)


@pytest.fixture(scope="module")
def good(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "lung.pt"
    save_checkpoint(path, model, ORIGIN)
    return path


@pytest.fixture
def content(good) -> dict:
    return torch.load(good, weights_only=True)


def check_refused(path: Path, *parts: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert all(part in message for part in (path.name, *parts)), message
    assert len(message) < 700 and caught.value.exit_code == 2


def test_weights_config_and_origin_come_back_bit_for_bit(model, good):
    loaded = load_checkpoint(str(good))
    assert loaded.model.config == SMALL_MODEL
    assert (loaded.origin, loaded.file_name) == (ORIGIN, "lung.pt")
    expected, got = model.state_dict(), loaded.model.state_dict()
    assert list(got) == list(expected)
    for name in expected:
        assert got[name].dtype == expected[name].dtype
        assert got[name].numpy().tobytes() == expected[name].numpy().tobytes(), name


def test_the_hash_is_that_of_the_file(good):
    assert load_checkpoint(good).sha256 == hashlib.sha256(good.read_bytes()).hexdigest()


def test_a_loaded_model_is_frozen_and_evaluates(good):
    loaded = load_checkpoint(good).model
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())


def test_saving_leaves_the_model_as_it_was(model, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    save_checkpoint(tmp_path / "again.pt", model, {})
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def with_weights(content: dict, change) -> dict:
    weights = dict(content["weights"])
    change(weights)
    return {**content, "weights": weights}


def with_config(content: dict, **changes: object) -> dict:
    return {**content, "config": {**content["config"], **changes}}


NAME = "fixed_to_moving.output.weight"
OTHER_CONTENT = {
    "a tensor": (lambda c: torch.zeros(3), "holds no NePhi model"),
    "another program's weights": (lambda c: {"state_dict": c["weights"]}, "holds no NePhi model"),
    "another format": (lambda c: {**c, "format": "unet"}, "holds no NePhi model"),
    "a newer version": (lambda c: {**c, "format_version": 2}, "model format 2, this version reads format 1. Update"),
    "an older version": (lambda c: {**c, "format_version": 0}, "model format 0, this version reads format 1."),
    "no version": (lambda c: {k: v for k, v in c.items() if k != "format_version"}, "model format None"),
    "no config": (lambda c: {k: v for k, v in c.items() if k != "config"}, "config has NoneType, expected ['encoder"),
    "a config with another key": (lambda c: with_config(c, depth=3), "config has ['depth', 'encoder_width'"),
    "a config without a key": (
        lambda c: {**c, "config": {k: v for k, v in c["config"].items() if k != "width"}},
        "expected ['encoder_width', 'frequencies'",
    ),
    "a config of another width": (lambda c: with_config(c, width=32), "do not fit the model's config"),
    "a config with more layers": (lambda c: with_config(c, layers=2), "Missing key(s)"),
    "a config in words": (lambda c: with_config(c, width="wide"), "width must be a whole number"),
    "a config that needs a terabyte": (lambda c: with_config(c, width=500_000), "width must be a whole number"),
    "a config that no block takes": (lambda c: with_config(c, encoder_width=12), "do not fit the model's config"),
    "no weights": (lambda c: {k: v for k, v in c.items() if k != "weights"}, "do not fit the model's config"),
    "a list of weights": (lambda c: {**c, "weights": list(c["weights"].values())}, "do not fit the model's config"),
    "a missing key": (lambda c: with_weights(c, lambda w: w.pop(NAME)), f'Missing key(s) in state_dict: "{NAME}"'),
    "an extra key": (
        lambda c: with_weights(c, lambda w: w.update(extra=torch.zeros(1))),
        'Unexpected key(s) in state_dict: "extra"',
    ),
    "a key that is no name": (lambda c: with_weights(c, lambda w: w.update({5: torch.zeros(1)})), "do not fit"),
    "another shape": (lambda c: with_weights(c, lambda w: w.update({NAME: torch.zeros(3, 17)})), "size mismatch"),
    "a shape that would spread": (
        lambda c: with_weights(c, lambda w: w.update({NAME: torch.zeros(1, 16)})),
        "size mismatch",
    ),
    "a word as a weight": (lambda c: with_weights(c, lambda w: w.update({NAME: "zero"})), "do not fit"),
    "NaN": (lambda c: with_weights(c, lambda w: w[NAME][0, 0].fill_(torch.nan)), "some weights are NaN or infinite"),
    "infinity": (lambda c: with_weights(c, lambda w: w[NAME][2, 3].fill_(-torch.inf)), "some weights are NaN or"),
}


@pytest.mark.parametrize("kind", OTHER_CONTENT)
def test_content_that_is_not_ours_is_refused(content, tmp_path, kind):
    spoil, cause = OTHER_CONTENT[kind]
    torch.save(spoil(content), tmp_path / "other.pt")
    check_refused(tmp_path / "other.pt", cause)


def test_every_key_is_asked_for(content, tmp_path):
    for name in content["weights"]:
        torch.save(with_weights(content, lambda w, name=name: w.pop(name)), tmp_path / "less.pt")
        check_refused(tmp_path / "less.pt", name)


def test_a_file_cut_at_any_length_is_refused(good, tmp_path):
    whole, cut = good.read_bytes(), tmp_path / "cut.pt"
    lengths = [0, 1, 2, 3, 4, 10, 30, 63, 64, 100, 1000, 5000, len(whole) // 2, len(whole) - 1000, *range(-70, 0)]
    for length in lengths:
        cut.write_bytes(whole[:length])
        check_refused(cut, "not a NePhi model", WHAT_TO_DO)


OTHER_FILES = {
    "empty": b"",
    "notes": b"These are my notes about the patient.\n",
    "random bytes": random.Random(0).randbytes(5000),
    "random bytes that begin like a zip": b"PK\x03\x04" + random.Random(1).randbytes(5000),
    "a zip without an entry": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_that_is_no_model_is_refused(tmp_path, kind):
    (tmp_path / "other.pt").write_bytes(OTHER_FILES[kind])
    check_refused(tmp_path / "other.pt", "not a NePhi model", WHAT_TO_DO)


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "letters.pt", "w") as archive:
        archive.writestr("letters/letter.txt", "Dear colleague")
    check_refused(tmp_path / "letters.pt", "not a NePhi model", WHAT_TO_DO)


def test_a_torchscript_file_is_refused_without_torchs_advice_for_programmers(good, tmp_path, recwarn):
    (tmp_path / "script.pt").write_bytes(good.read_bytes())
    with zipfile.ZipFile(tmp_path / "script.pt", "a") as archive:
        archive.writestr(f"{archive.namelist()[0].split('/')[0]}/constants.pkl", b"")  # torch knows it by this
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        check_refused(tmp_path / "script.pt", "not a NePhi model", WHAT_TO_DO)
    assert not recwarn.list


def test_a_file_of_the_old_torch_format_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    check_refused(tmp_path / "old.pt", "not a NePhi model", WHAT_TO_DO)


def test_one_bit_changed_anywhere_in_the_weights_is_noticed(good, content, tmp_path):
    whole, changed = good.read_bytes(), tmp_path / "changed.pt"
    stored_in = {name: value.numpy().tobytes() for name, value in content["weights"].items()}
    found_once = {name: stored for name, stored in stored_in.items() if whole.count(stored) == 1}  # not so zeros
    assert len(found_once) > 15
    for name, stored in found_once.items():
        where = whole.index(stored) + len(stored) // 2
        changed.write_bytes(whole[:where] + bytes([whole[where] ^ 1]) + whole[where + 1 :])
        with pytest.raises(ModelFileError, match="another checksum"):
            load_checkpoint(changed)
            pytest.fail(f"{name} was taken with a bit changed")


def rewritten(good: Path, changed: bytes) -> bytes:
    """The same archive with another pickle in it, its checksum right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(good) as before, zipfile.ZipFile(buffer, "w") as after:
        for entry in before.infolist():
            is_pickle = entry.filename.endswith("data.pkl")
            after.writestr(entry.filename, changed if is_pickle else before.read(entry))
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_pickle_is_refused_whatever_it_makes_the_reader_stumble_over(good, tmp_path):
    """Changed bytes lead the unpickler to IndexError, TypeError, AttributeError and more."""
    with zipfile.ZipFile(good) as archive:
        intact = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    path, draw, refused = tmp_path / "damaged.pt", random.Random(0), 0
    for _ in range(150):
        damaged = bytearray(intact)
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(rewritten(good, bytes(damaged)))
        try:
            load_checkpoint(path)
        except ModelFileError:
            refused += 1
    assert refused > 75  # some bytes are in the words of the origin and do no harm


class _Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("where", ["bare", "origin", "weights", "instead of a weight", "old format", "config"])
def test_a_pickle_that_would_run_code_does_not_run(content, tmp_path, where):
    marker, path = tmp_path / "the code was run", tmp_path / "evil.pt"
    evil = _Evil(marker)
    if where == "bare":
        path.write_bytes(pickle.dumps(evil))
    elif where == "old format":
        torch.save({**content, "origin": evil}, path, _use_new_zipfile_serialization=False)
    elif where == "instead of a weight":
        torch.save(with_weights(content, lambda weights: weights.update({NAME: evil})), path)
    else:
        torch.save({**content, where: evil}, path)
    check_refused(path, "asks for code to be run, which is never done", WHAT_TO_DO)
    assert not marker.exists()
    # The trap is a real one: unpickled the old way, it springs.
    torch.load(path, weights_only=False) if where != "bare" else pickle.loads(path.read_bytes())
    assert marker.exists()


BOMB_BYTES = 4_200_123  # a number that is found nowhere else in the file


def a_bomb(good: Path) -> bytes:
    """The model's archive with an entry that unpacks to 4 MB of zeros."""
    buffer = io.BytesIO(good.read_bytes())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lung/data/bomb", bytes(BOMB_BYTES))
    return buffer.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(good, tmp_path, monkeypatch):
    bomb = a_bomb(good)
    assert len(bomb) < 2**20
    (tmp_path / "bomb.pt").write_bytes(bomb)
    monkeypatch.setattr(checkpoint, "LARGEST_FILE_BYTES", 2**20)
    monkeypatch.setattr(checkpoint.torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was unpacked"))
    check_refused(tmp_path / "bomb.pt", "would unpack to 4 MB and is refused", WHAT_TO_DO)


def test_a_zip_bomb_that_lies_about_its_size_is_refused(good, tmp_path):
    bomb = a_bomb(good)
    truth, lie = struct.pack("<I", BOMB_BYTES), struct.pack("<I", 100)
    assert bomb.count(truth) == 2
    (tmp_path / "bomb.pt").write_bytes(bomb.replace(truth, lie))
    check_refused(tmp_path / "bomb.pt", "not a NePhi model", WHAT_TO_DO)


def test_a_file_that_is_too_large_is_refused_unread(good, monkeypatch):
    monkeypatch.setattr(checkpoint, "LARGEST_FILE_BYTES", good.stat().st_size - 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    check_refused(good, "MB; a NePhi model has at most", WHAT_TO_DO)


def test_a_missing_file_is_said(tmp_path):
    check_refused(tmp_path / "nowhere.pt", "cannot be read: No such file or directory", str(tmp_path))


def test_a_folder_is_no_model(tmp_path):
    check_refused(tmp_path, "cannot be read: Is a directory")


def test_memory_that_runs_out_is_not_called_damage(good, monkeypatch):
    def fail(*arguments, **more):
        raise MemoryError

    monkeypatch.setattr(checkpoint.torch, "load", fail)
    with pytest.raises(MemoryError):
        load_checkpoint(good)


def test_what_identifies_a_model_cannot_be_changed(good):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_checkpoint(good).sha256 = "0"


def test_weights_that_cannot_be_written_whole_leave_the_old_ones(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"old weights")
    with files_of_at_most(1000), pytest.raises(OutputError):
        save_checkpoint(path, NePhiModel(SMALL_MODEL), {"data": "none"})
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("model.pt", b"old weights")]
