"""The weights file: a model, its config and where it came from; read without running any of its content."""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
import re
import warnings
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from .errors import ModelFileError, SettingsError
from .model import ModelConfig, NePhiModel
from .output_files import StagedOutputs

FORMAT = "nephi-model"
FORMAT_VERSION = 1
LARGEST_FILE_BYTES = 200 * 2**20
# All that a file of tensors and plain values has to name. Torch's own list is longer, and some of it takes memory
# without end.
_NAMED = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")
_ZIP_START = b"PK\x03\x04"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A frozen model and what identifies it.

    Attributes:
        model: in evaluation mode, its weights without gradients.
        sha256: of the file, hexadecimal.
        file_name: the file's name, without its folder.
        origin: how it was trained, as written by the training (data, seed, commit).
    """

    model: NePhiModel
    sha256: str
    file_name: str
    origin: dict[str, Any]


def save_checkpoint(path: Path, model: NePhiModel, origin: dict[str, Any]) -> None:
    """Write weights, config and origin to one file, which is there whole or not at all.

    Raises:
        OutputError: it cannot be written; a file that was there before is as it was.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": model.config.as_dict(),
        "origin": origin,
        "weights": {name: value.detach().cpu() for name, value in model.state_dict().items()},
    }
    written = io.BytesIO()
    torch.save(content, written)
    with StagedOutputs() as outputs:
        outputs.stage(path).write_bytes(written.getvalue())


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> LoadedModel:
    """Read a weights file, strictly: the format, every key and every shape must fit.

    Only tensors and plain values are read (``weights_only``); a file that asks for
    anything else to be run is refused.

    Raises:
        ModelFileError: missing, no model, damaged, another format, newer, or hiding code.
    """
    path = Path(path)
    data = _read_bytes(path)
    content = _unpack(path, data)
    model = _build(path, content)
    model.to(device).eval().requires_grad_(False)
    return LoadedModel(model, hashlib.sha256(data).hexdigest(), path.name, content.get("origin", {}))


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise ModelFileError(
                f"{path.name} has {size / 2**20:.0f} MB; a NePhi model has at most "
                f"{LARGEST_FILE_BYTES >> 20} MB. Choose a NePhi weights file (.pt)."
            )
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read: {error.strerror or error}.") from error


def _unpack(path: Path, data: bytes) -> dict[str, Any]:
    try:
        _check_archive(path, data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice for programmers, as on a TorchScript file
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (ModelFileError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything: IndexError, TypeError, AttributeError, ...
        # The first sentence: torch goes on with how to run the file's code all the same.
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise ModelFileError(
            f"{path.name} is not a NePhi model: it is damaged, of another kind, or asks for code to be run, "
            f"which is never done ({reason[:200]}). Choose a NePhi weights file (.pt)."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelFileError(f"{path.name} holds no NePhi model. Choose a weights file made by NePhi's training.")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path.name} has model format {version!r}, this version reads format {FORMAT_VERSION}. "
            "Update NePhi, or use the model that came with it."
        )
    return content


def _check_archive(path: Path, data: bytes) -> None:
    """Look before unpacking: a small file may unpack to a huge one, and torch takes no notice of checksums."""
    if not data.startswith(_ZIP_START):  # torch would take it for its older format, whatever lies behind
        raise zipfile.BadZipFile("File is not a zip file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > 2 * LARGEST_FILE_BYTES:
            raise ModelFileError(
                f"{path.name} would unpack to {unpacked / 2**20:.0f} MB and is refused. "
                "Choose a NePhi weights file (.pt)."
            )
        damaged = archive.testzip()
        if damaged is None:
            _check_named(archive)
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} has another checksum")


def _check_named(archive: zipfile.ZipFile) -> None:
    """Raise UnpicklingError where the description of the content names anything but tensors."""
    for entry in archive.infolist():
        if entry.filename.endswith("data.pkl"):
            for operation, argument, _ in pickletools.genops(archive.read(entry)):
                is_known = operation.name == "GLOBAL" and _NAMED.fullmatch(str(argument))
                if operation.name in ("GLOBAL", "INST", "STACK_GLOBAL") and not is_known:
                    raise pickle.UnpicklingError(f"it names {str(argument)[:100]!r}")


def _build(path: Path, content: dict[str, Any]) -> NePhiModel:
    config: Any = content.get("config")
    weights: Any = content.get("weights")
    known = {field.name for field in fields(ModelConfig)}
    if not isinstance(config, dict) or set(config) != known:
        got = sorted(config) if isinstance(config, dict) else type(config).__name__
        raise ModelFileError(f"{path.name}: the model's config has {got}, expected {sorted(known)}.")
    try:
        model = NePhiModel(ModelConfig(**config))
        model.load_state_dict(weights, strict=True)
    except (SettingsError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelFileError(f"{path.name}: the weights do not fit the model's config ({reason}).") from error
    if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
        raise ModelFileError(f"{path.name}: some weights are NaN or infinite; the file is damaged.")
    return model
