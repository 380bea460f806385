"""Which files a run shall write, checked before anything is computed. Standard library only."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import OutputError
from .lung_function_names import MAPS
from .output_files import check_targets
from .paths import full_suffix

_OWN_SUFFIX = {"report": ".json", "overview": ".png"}


@dataclass(frozen=True)
class OutputPaths:
    """The outputs of one registration; None is not asked for.

    Attributes:
        transform, inverse_transform: displacement fields.
        warped, jacobian: images on the fixed grid.
        report, overview: .json and .png.
        ventilation_jacobian, ventilation_density, parametric_response: lung function maps, images on the fixed grid.
        fixed, moving: the images themselves, where they do not come from files.
    """

    transform: Path
    inverse_transform: Path | None = None
    warped: Path | None = None
    jacobian: Path | None = None
    report: Path | None = None
    overview: Path | None = None
    ventilation_jacobian: Path | None = None
    ventilation_density: Path | None = None
    parametric_response: Path | None = None
    fixed: Path | None = None
    moving: Path | None = None

    def asked(self) -> dict[str, Path]:
        """The outputs asked for, by what they are."""
        return {
            field.name: path for field in dataclasses.fields(self) if (path := getattr(self, field.name)) is not None
        }

    def maps(self) -> dict[str, Path]:
        """The lung function maps asked for."""
        return {what: path for what, path in self.asked().items() if what in MAPS}

    def check(self, inputs: Iterable[Path]) -> None:
        """See that every output can be written and none takes the place of an input.

        Raises:
            OutputError: see ``check_targets``; also a report that is no .json or an overview that is no .png.
        """
        asked = self.asked()
        check_targets(asked.values())
        read = {os.path.realpath(path) for path in inputs}
        for what, path in asked.items():
            if os.path.realpath(path) in read:
                raise OutputError(f"{path} is an input too, and would be replaced. Choose another name for the output.")
            suffix = _OWN_SUFFIX.get(what)
            if suffix and full_suffix(path) != suffix:
                raise OutputError(f"{path}: the {what} must end in {suffix}. Rename the output.")


def paths_in(folder: Path, **more: Path) -> OutputPaths:
    """What a run leaves in a folder of its own, under the names that the documents use, and more."""
    return OutputPaths(
        transform=folder / "transform.h5",
        inverse_transform=folder / "inverse.h5",
        warped=folder / "warped.nii.gz",
        jacobian=folder / "jacobian.nii.gz",
        report=folder / "report.json",
        **more,
    )


def lung_function_paths(folder: Path) -> dict[str, Path]:
    """Where the lung function maps go in a folder, as arguments of `OutputPaths`."""
    return {name: folder / f"{name}.nii.gz" for name in MAPS}


@contextmanager
def made_folder(path: Path) -> Iterator[Path]:
    """The folder, made if it is missing; one that was made here goes again if nothing came to lie in it.

    Raises:
        OutputError: it cannot be made.
    """
    is_new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path} cannot be made ({error.strerror}). Choose another one.") from error
    try:
        yield path
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the results are in it
                path.rmdir()
