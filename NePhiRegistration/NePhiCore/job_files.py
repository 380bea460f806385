"""The files through which a program and its child process pass a pair and its registration.

Arrays are .npy files, the rest is one .json that is written last: where it is, everything is. Each file is written
under another name and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .geometry import ImageGeometry
from .pair_data import GridData, MaskPart, PairInputs, PairOutputs
from .volume import Volume

JOB, RESULT = "job.json", "result.json"
_PIECE_BYTES = 4 << 20
_OUTPUT_ARRAYS = ("warped", "determinant", "folds", "fixed_lungs")
_CHOICES = ("lung_function", "inhale")
_OUTPUT_GRIDS = ("fixed_to_moving", "moving_to_fixed")


def write_job(folder: Path, inputs: PairInputs, settings: dict[str, Any], model_file: str | None) -> Iterator[None]:
    """Write a job, yielding after each few megabytes so that a window can go on living.

    Args:
        folder: where; exists and is empty.
        inputs: the pair.
        settings: of `RegistrationSettings.as_dict`.
        model_file: weights; None is the shipped ones.

    Raises:
        OSError: the disk is full.
    """
    described: dict[str, object] = {"settings": settings, "model_file": model_file}
    described |= {name: getattr(inputs, name) for name in _CHOICES}
    for side in ("fixed", "moving"):
        volume: Volume = getattr(inputs, side)
        yield from write_array(folder / f"{side}.npy", volume.hu)
        described[side] = {"name": volume.name, "ijk_to_ras": volume.geometry.ijk_to_ras.tolist()}
        parts = getattr(inputs, f"{side}_mask")
        for number, part in enumerate(parts):
            yield from write_array(folder / f"{side}_mask_{number}.npy", part.labels)
        described[f"{side}_mask"] = [
            {"label": part.label, "ijk_to_ras": part.geometry.ijk_to_ras.tolist()} for part in parts
        ]
        landmarks = getattr(inputs, f"{side}_landmarks_ras_mm")
        described[f"{side}_landmarks"] = None if landmarks is None else np.asarray(landmarks).tolist()
    if isinstance(inputs.initial, GridData):
        yield from write_array(folder / "initial.npy", inputs.initial.displacement_ras_mm)
        described["initial_grid"] = inputs.initial.geometry.ijk_to_ras.tolist()
    elif inputs.initial is not None:
        described["initial_matrix"] = np.asarray(inputs.initial).tolist()
    write_json(folder / JOB, described)


def read_job(folder: Path) -> tuple[PairInputs, dict[str, Any], str | None]:
    """Inputs, settings and weights file of a job."""
    described = json.loads((folder / JOB).read_text(encoding="utf-8"))
    parts: dict[str, Any] = {name: described[name] for name in _CHOICES}
    for side in ("fixed", "moving"):
        hu = np.load(folder / f"{side}.npy", allow_pickle=False)
        parts[side] = Volume(hu, _geometry(hu, described[side]["ijk_to_ras"]), described[side]["name"])
        labels = [read_array(folder / f"{side}_mask_{n}.npy") for n in range(len(described[f"{side}_mask"]))]
        parts[f"{side}_mask"] = tuple(
            MaskPart(array, _geometry(array, part["ijk_to_ras"]), part["label"])
            for array, part in zip(labels, described[f"{side}_mask"])
        )
        points = described[f"{side}_landmarks"]
        parts[f"{side}_landmarks_ras_mm"] = None if points is None else np.array(points, float)
    inputs = PairInputs(**parts, initial=_initial(folder, described))
    return inputs, described["settings"], described["model_file"]


def write_result(folder: Path, outputs: PairOutputs) -> None:
    """Write a finished registration. Raises OSError where the disk is full."""
    grids = {}
    for name in _OUTPUT_GRIDS:
        grid: GridData = getattr(outputs, name)
        for _ in write_array(folder / f"{name}.npy", grid.displacement_ras_mm):
            pass
        grids[name] = grid.geometry.ijk_to_ras.tolist()
    for name in _OUTPUT_ARRAYS:
        for _ in write_array(folder / f"{name}.npy", getattr(outputs, name)):
            pass
    for name, whole in outputs.lung_function.items():
        for _ in write_array(folder / f"{name}.npy", whole()):
            pass
    write_json(folder / RESULT, {"grids": grids, "maps": list(outputs.lung_function), "figures": outputs.figures})


def read_result(folder: Path) -> PairOutputs:
    """A finished registration; its arrays stay on disk until they are read."""
    described = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    parts: dict[str, Any] = {name: _grid(folder / f"{name}.npy", described["grids"][name]) for name in _OUTPUT_GRIDS}
    parts |= {name: read_array(folder / f"{name}.npy") for name in _OUTPUT_ARRAYS}
    parts["lung_function"] = {name: partial(read_array, folder / f"{name}.npy") for name in described["maps"]}
    return PairOutputs(**parts, figures=described["figures"])


def write_preview(path: Path, displacement_ras_mm: np.ndarray) -> None:
    """Write one small array at once. Raises OSError where the disk is full."""
    for _ in write_array(path, displacement_ras_mm):
        pass


def write_array(path: Path, array: np.ndarray) -> Iterator[None]:
    """Write an .npy file in pieces, yielding between them; it has its name only once it is whole."""
    partial = path.with_name(path.name + ".part")
    count = len(array)
    step = max(1, _PIECE_BYTES * count // max(array.nbytes, 1))
    with open(partial, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_2_0(file, header)
        for start in range(0, count, step):
            file.write(np.ascontiguousarray(array[start : start + step]).data)
            yield
    os.replace(partial, path)


def read_array(path: Path) -> np.ndarray:
    """An array that stays on disk until it is read, and cannot be written to."""
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def write_json(path: Path, value: object) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value), encoding="utf-8")
    os.replace(partial, path)


def _geometry(array: np.ndarray, ijk_to_ras: list[list[float]]) -> ImageGeometry:
    return ImageGeometry(array.shape[:3], np.array(ijk_to_ras))


def _grid(path: Path, ijk_to_ras: list[list[float]]) -> GridData:
    array = read_array(path)
    return GridData(array, _geometry(array, ijk_to_ras))


def _initial(folder: Path, described: dict[str, Any]) -> np.ndarray | GridData | None:
    if "initial_grid" in described:
        return _grid(folder / "initial.npy", described["initial_grid"])
    return np.array(described["initial_matrix"]) if "initial_matrix" in described else None
