"""Where the pretrained weights lie. Standard library only."""

from __future__ import annotations

from pathlib import Path

from .errors import ModelFileError

_HERE = Path(__file__).resolve().parent
MODEL_FOLDERS = (
    _HERE / "weights",  # installed by pip
    _HERE.parent / "Resources" / "Models",  # Slicer extension and source tree
)


def available_models(folders: tuple[Path, ...] = MODEL_FOLDERS) -> list[Path]:
    """The weights files (.pt) that came with this installation, by name.

    Raises:
        ModelFileError: there are none.
    """
    models = sorted((path for folder in folders for path in folder.glob("*.pt")), key=lambda path: path.name)
    if not models:
        raise ModelFileError(
            f"No pretrained weights (*.pt) in {' or '.join(map(str, folders))}. "
            "Install the package again, or name a weights file with --model."
        )
    return models


def default_model_path(folders: tuple[Path, ...] = MODEL_FOLDERS) -> Path:
    """The weights used where none are named: the first by name.

    Raises:
        ModelFileError: there are none.
    """
    return available_models(folders)[0]
