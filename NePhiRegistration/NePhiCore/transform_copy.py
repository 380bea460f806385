"""Transform files that are not text, read in a process of their own: `python -m NePhiCore.transform_copy SOURCE COPY`.

ITK and HDF5 crash on some damaged files, and take the whole program with them. So a child process of bounded memory
and time reads the file and writes what it has read into a new one, and only that one is read here.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from .errors import DependencyError, InvalidTransformError, OutputError
from .paths import full_suffix, holds_hdf5

_TEXT_SUFFIXES = (".tfm", ".txt")
_COPY = "copy.h5"
_UNREADABLE, _UNWRITABLE, _TOO_LARGE = 10, 11, 12  # exit codes beside 0, and 1 where the child has not even begun
_LONGEST_S = 120
_AFTERWARDS_S = 10
_LARGEST_COPY_BYTES = 1 << 32
_MOST_MEMORY_BYTES = 1 << 34


@contextmanager
def safe_to_read(path: Path, name: str) -> Iterator[Path]:
    """The file itself where it is text, else a copy that ITK has written; it is gone after the ``with`` block.

    Raises:
        InvalidTransformError: it cannot be read, or not in bounded memory and time.
        OutputError: no room for the copy in the temporary folder.
        DependencyError: no process can be started.
    """
    if full_suffix(path) in _TEXT_SUFFIXES and not holds_hdf5(path):
        yield path
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="NePhi")
    except OSError as error:
        raise OutputError(f"{name}: no temporary folder can be made to read {path} in ({error.strerror}).") from error
    with folder:
        copy = Path(folder.name) / _COPY
        _check_ending(_exit_code_of_child(path, copy, name), path, name)
        yield copy


def _exit_code_of_child(path: Path, copy: Path, name: str) -> int:
    packages = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-m", f"{__package__}.{Path(__file__).stem}", os.path.abspath(path), str(copy)]
    silence = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    # Python looks for modules in the working directory first: the copy's folder is empty, the user's may not be.
    options: dict[str, Any] = {"cwd": copy.parent, "env": environment, **silence}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW
    else:
        options["start_new_session"] = True  # an interrupt is this program's to handle
    try:
        return subprocess.run(command, timeout=_LONGEST_S, check=False, **options).returncode
    except subprocess.TimeoutExpired as error:
        raise InvalidTransformError(
            f"{name}: {path} could not be read in {_LONGEST_S} s. It is damaged or far too large; save it again."
        ) from error
    except OSError as error:
        raise DependencyError(f"{name}: no process could be started to read {path} ({error.strerror}).") from error


def _check_ending(exit_code: int, path: Path, name: str) -> None:
    """Raise what the child's exit code says."""
    if exit_code == _UNREADABLE:
        raise InvalidTransformError(not_a_transform(path, name))
    if exit_code == _TOO_LARGE:
        raise InvalidTransformError(
            f"{name}: {path} takes more memory than there is, or than {_MOST_MEMORY_BYTES >> 30} GiB, or is damaged. "
            "Save it again, as a coarser displacement field."
        )
    if exit_code == _UNWRITABLE:
        raise OutputError(
            f"{name}: {path} was read, but not copied into the folder {tempfile.gettempdir()}. Is the disk full, or "
            f"the transform larger than {_LARGEST_COPY_BYTES >> 30} GiB?"
        )
    if exit_code == 1:
        raise DependencyError(f"{name}: the process that should read {path}, {sys.executable}, did not begin its work.")
    if exit_code:
        raise InvalidTransformError(
            f"{name}: {path} cannot be read: ITK crashes on it. It is damaged, or too large for the memory. "
            "Save the transform again."
        )


def not_a_transform(path: Path, name: str) -> str:
    """What to say of a file in which ITK finds no transform."""
    return (
        f"{name}: {path} is not a transform that ITK reads: another kind of file, damaged, truncated, or the "
        "inverse of a displacement field, which only 3D Slicer reads. "
        "Give an ITK transform (.h5, .tfm, .txt, .mat) or a displacement image (.nrrd, .nii.gz, .mha)."
    )


def main(source: str, copy: str) -> int:
    """Read a transform and write it again; returns the exit code."""
    faulthandler.dump_traceback_later(_LONGEST_S + _AFTERWARDS_S, exit=True)  # should nobody be there to end it
    _limit_memory_and_size()
    try:
        transform = sitk.ReadTransform(source)
    except MemoryError:
        return _TOO_LARGE
    except (RuntimeError, UnicodeDecodeError) as error:
        return _TOO_LARGE if "alloc" in str(error) else _UNREADABLE
    try:
        sitk.WriteTransform(transform, copy)
    except (MemoryError, RuntimeError) as error:
        return _TOO_LARGE if isinstance(error, MemoryError) or "alloc" in str(error) else _UNWRITABLE
    return 0


def _limit_memory_and_size() -> None:
    """Where the system can: not on Windows."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        for kind, most in ((resource.RLIMIT_FSIZE, _LARGEST_COPY_BYTES), (resource.RLIMIT_AS, _MOST_MEMORY_BYTES)):
            soft, hard = resource.getrlimit(kind)
            if soft == resource.RLIM_INFINITY or soft > most:
                resource.setrlimit(kind, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    # Not the interpreter's own end: HDF5 would meet again what it could not close.
    os._exit(code)
