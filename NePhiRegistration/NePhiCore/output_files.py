"""Output files that appear whole, all together, or not at all.

While they are made they have hidden names, which end in .part, and so have, for a moment, the files that they replace:
.old. A run that is killed leaves them there; the next one that writes the same files removes them.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from .errors import OutputError
from .folder_turn import turn_in
from .paths import check_name_is_text, full_suffix, uncompressed_twin
from .process_mark import is_of_dead_process, process_mark

_NAME_KEPT = 40  # characters of a name that are in its hidden one
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system allows; choose a larger grid spacing",
}


class StagedOutputs:
    """Write files under temporary names beside their targets; the end of a ``with`` block puts them in place.

    Where anything goes wrong, in the block or while they are put in place, the temporary files are removed and
    the files that were there before are as they were.

        with StagedOutputs() as outputs:
            write_displacement(outputs.stage(Path("transform.h5")), field)
            outputs.stage(Path("report.json")).write_text(text)

    Raises:
        OutputError: instead of any OSError that leaves the block (a full disk); a target that cannot be replaced.
    """

    def __init__(self) -> None:
        self._staged: dict[Path, Path] = {}  # target -> temporary file

    def stage(self, target: Path | str) -> Path:
        """A temporary path in the target's folder, with its whole suffix; write the file there.

        Raises:
            OutputError: the target cannot be written, see ``check_targets``, or is staged already.
        """
        check_targets([*self._staged, target])
        # A link goes on pointing at the file, which is replaced where it lies.
        real = Path(os.path.realpath(target))
        temporary = _hidden_name(real, f".part{full_suffix(real)}")
        self._staged[real] = temporary
        return temporary

    def __enter__(self) -> StagedOutputs:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                for temporary in self._staged.values():
                    _flush_to_disk(temporary)
                _put_in_place(self._staged)
        except OSError as problem:
            raise self._output_error(problem) from problem
        finally:
            for temporary in self._staged.values():
                temporary.unlink(missing_ok=True)
        if isinstance(error, (OSError, OutputError)):
            raise self._output_error(error) from error

    def _output_error(self, problem: OSError | OutputError) -> OutputError:
        """The problem in the user's words, with the names of the targets in place of the temporary ones."""
        message = str(problem)
        if isinstance(problem, OSError):
            reason = _REASONS.get(problem.errno or 0, message)
            message = f"The outputs could not be written: {reason}. The files that were there before are unchanged."
        for target, temporary in self._staged.items():
            message = message.replace(str(temporary), str(target))
        return OutputError(message)


def check_targets(targets: Iterable[Path | str]) -> None:
    """Check before a long computation that files can be written there; nothing is changed.

    Raises:
        OutputError: a name that is no text; a folder that is missing or cannot be written to; a target that
            is a folder, a device or write-protected; two targets that are the same file; a .nii.gz beside a .nii of
            the same name.
    """
    seen: dict[str, Path] = {}
    for target in map(Path, targets):
        real = os.path.realpath(target)
        other = seen.setdefault(os.path.normcase(real), target)
        if other is not target:
            raise OutputError(f"{other} and {target} are the same file. Give each output its own name.")
        _check_target(target, Path(real))
    for target in seen.values():
        _check_twin(target, seen)


def _check_twin(target: Path, others: Iterable[str]) -> None:
    twin = uncompressed_twin(Path(os.path.realpath(target)))
    if twin is not None and (os.path.exists(twin) or os.path.normcase(twin) in others):
        raise OutputError(
            f"{target} cannot be written beside {twin.name}: ITK and 3D Slicer would read the voxels of that file in "
            "its place. Move that one, or choose another name."
        )


def _check_target(target: Path, real: Path) -> None:
    check_name_is_text(real, "output", OutputError)
    folder = real.parent
    if not os.path.isdir(folder):
        problem = "is not a folder" if os.path.exists(folder) else "does not exist"
        raise OutputError(f"{target} cannot be written: the folder {folder} {problem}. Create it or choose another.")
    if os.path.isdir(real):
        raise OutputError(f"{target} cannot be written: it is a folder. Give the name of a file.")
    if os.path.exists(real) and not (os.path.isfile(real) and os.access(real, os.W_OK)):
        raise OutputError(
            f"{target} cannot be written: it is write-protected or no ordinary file. Choose another name."
        )
    try:
        # Permissions alone do not tell: a read-only disk, a network share, an administrator.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: no file can be made in the folder {folder} ({error.strerror}). "
            "Choose another folder."
        ) from error
    try:
        with suppress(FileNotFoundError):
            os.stat(real)
    except OSError as error:  # a name that is too long
        raise OutputError(f"{target} cannot be written ({error.strerror}). Choose another name.") from error


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(staged: dict[Path, Path]) -> None:
    """Rename every temporary file to its target; where one cannot be, bring all old files back.

    Where there are several, all old ones go before the first new one comes: whoever is killed in between leaves files
    of one run, and never some of each.
    """
    if not staged:
        return
    backups = {target: _hidden_name(target, ".old") for target in staged}
    try:
        with turn_in(target.parent for target in staged):
            if len(staged) > 1:
                for target, backup in backups.items():
                    with suppress(FileNotFoundError):
                        os.replace(target, backup)
            for target, temporary in staged.items():
                os.replace(temporary, target)
    except BaseException as error:
        stuck = [target for target in staged if not _bring_back(target, backups[target], staged[target])]
        if stuck:
            kept = {target: backups[target] if backups[target].exists() else "none" for target in stuck}
            raise OutputError(
                f"The outputs could not all be put in place ({error}), and these are new or missing now: "
                + "; ".join(f"{target} (old content: {backup})" for target, backup in kept.items())
            ) from error
        raise
    for leftover in (*backups.values(), *_leftovers(staged)):
        with suppress(OSError):  # the outputs are in place: what cannot be tidied up is no reason to say they are not
            leftover.unlink(missing_ok=True)


def _hidden_name(target: Path, ending: str) -> Path:
    """A name beside a file that no other run takes."""
    return target.with_name(f".{target.name[:_NAME_KEPT]}.{process_mark()}.{secrets.token_hex(6)}{ending}")


def _leftovers(targets: Iterable[Path]) -> Iterator[Path]:
    """Hidden files of processes that are no more, beside files that are in place now."""
    for target in targets:
        if len(target.name) > _NAME_KEPT:  # it could be another file's, with the same beginning
            continue
        ending = rf"\.[0-9a-f]{{12}}(\.old|\.part{re.escape(full_suffix(target))})"
        for path in target.parent.glob(f".{glob.escape(target.name)}.*"):
            rest = path.name[len(target.name) + 2 :]
            found = re.search(f"{ending}$", rest)
            if found and is_of_dead_process(rest[: found.start()]):
                yield path


def _bring_back(target: Path, backup: Path, temporary: Path) -> bool:
    """Put the old file, or none, where it was; False where even that fails."""
    try:
        if backup.exists():
            os.replace(backup, target)
        elif not temporary.exists():
            target.unlink(missing_ok=True)
    except OSError:
        return False
    return True
