"""`nephi evaluate`: register case after case of a data set, measure each, and write what is known after each."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_run import Run
from .errors import OutputError, RegistrationCancelled, reason_of
from .evaluation_cases import EvaluationCase, EvaluationSet, find_evaluation_set
from .evaluation_plot import check_plot_possible, write_plot
from .evaluation_table import Row, rows_as_csv, rows_as_table
from .output_files import StagedOutputs, check_targets
from .output_paths import made_folder
from .register_command import chosen_settings
from .settings import RegistrationSettings

# As in register_command: torch is not loaded before the arguments are known to be good.
if TYPE_CHECKING:
    from .checkpoint import LoadedModel
    from .registration import RegistrationResult


def evaluate_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi evaluate`` ask for; returns the table to print.

    A case that fails is noted in the table and in ``run.failed``; the others are done all the same.

    Raises:
        NePhiError: before the first case, or where results cannot be written; what was finished is on the disk.
    """
    settings = chosen_settings(options)
    found = find_evaluation_set(options.source, options.dataset, options.fixed, options.cases)
    if options.plot:
        check_plot_possible()
    with made_folder(options.output) as folder:
        outputs = _Outputs(folder, options.plot, options.keep_transforms)
        outputs.check(found, options.model)
        with run.step("starting"):
            from .checkpoint import load_checkpoint
            from .device import memory_errors_in_words, working_device
            from .model_store import default_model_path

            working_device(settings.device)
        with memory_errors_in_words():
            model = load_checkpoint(options.model or default_model_path())
        about = _about(options.source, found, settings, model)
        rows = _evaluate(found.cases, settings, model, about, outputs, run)
    run.failed = [str(row["case"]) for row in rows if "error" in row]
    return _summary(rows, about, settings, outputs, run)


@dataclass(frozen=True)
class _Outputs:
    """The files in the folder of results."""

    folder: Path
    with_plot: bool
    with_transforms: bool

    def standing(self) -> dict[str, Path]:
        """The files that are there after any case."""
        names = ["results.csv", "settings.json"] + ["results.png"] * self.with_plot
        return {name: self.folder / name for name in names}

    def transforms(self, case: EvaluationCase) -> dict[str, Path]:
        """Of one case, by the names that a RegistrationResult has for them."""
        endings = {"fixed_to_moving": "transform.h5", "moving_to_fixed": "inverse.h5"} if self.with_transforms else {}
        return {what: self.folder / f"{case.name}_{ending}" for what, ending in endings.items()}

    def check(self, found: EvaluationSet, model: Path | None) -> None:
        """Raise OutputError unless every output can be written and none takes the place of an input."""
        targets = [
            *self.standing().values(),
            *(path for case in found.cases for path in self.transforms(case).values()),
        ]
        check_targets(targets)
        read = {os.path.realpath(path) for path in (*found.inputs, *([model] if model else []))}
        for path in targets:
            if os.path.realpath(path) in read:
                raise OutputError(f"{path} is an input too, and would be replaced. Choose another --output.")

    def write(
        self, rows: Sequence[Row], about: dict[str, Any], case: EvaluationCase, result: RegistrationResult | None
    ) -> None:
        """Write everything known after a case; all files or none. A case without a result keeps no maps of old."""
        from .transform_io import write_displacement

        standing = self.standing()
        with StagedOutputs() as staged:
            staged.stage(standing["results.csv"]).write_text(rows_as_csv(rows), encoding="utf-8")
            text = json.dumps(about, indent=1)
            staged.stage(standing["settings.json"]).write_text(text + "\n", encoding="utf-8")
            if self.with_plot:
                write_plot(staged.stage(standing["results.png"]), rows, _title(about))
            if result is not None:
                for what, path in self.transforms(case).items():
                    write_displacement(staged.stage(path), getattr(result, what))
        if result is None:
            _remove(self.transforms(case).values())


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}, of an earlier run, cannot be removed ({error.strerror}).") from error


def _about(source: Path, found: EvaluationSet, settings: RegistrationSettings, model: LoadedModel) -> dict[str, object]:
    """What settings.json holds; the first registration adds device and threads."""
    from .registration import provenance_of

    return {
        "dataset": found.dataset,
        "source": Path(os.path.abspath(source)).name,
        "fixed": found.fixed,
        "cases": [case.name for case in found.cases],
        **provenance_of(model, settings),
    }


def _evaluate(
    cases: Sequence[EvaluationCase],
    settings: RegistrationSettings,
    model: LoadedModel,
    about: dict[str, object],
    outputs: _Outputs,
    run: Run,
) -> list[Row]:
    rows: list[Row] = []
    try:
        for number, case in enumerate(cases):
            result, figures = _figures_of(case, settings, model, run.part(case.name, number, len(cases)))
            rows.append({"case": case.name, **figures})
            if result is not None:
                about.update({**result.provenance, **about})
            outputs.write(rows, about, case, result)
            del result  # before the next case asks for its memory
    except (RegistrationCancelled, KeyboardInterrupt) as error:
        kept = f"{len(rows)} of {len(cases)} cases are in {outputs.standing()['results.csv']}."
        raise RegistrationCancelled(kept if rows else "No case was finished; nothing was written.") from error
    return rows


def _figures_of(
    case: EvaluationCase, settings: RegistrationSettings, model: LoadedModel, run: Run
) -> tuple[RegistrationResult | None, Row]:
    """The result with its figures, or none with the reason: one case must not cost the others."""
    from .device import memory_errors_in_words
    from .evaluation import evaluate_pair

    try:
        with memory_errors_in_words():
            with run.step("reading"):
                pair = case.read()
            return evaluate_pair(pair, settings, model, run)
    except RegistrationCancelled:
        raise
    except Exception as error:
        return None, {"error": reason_of(error)}


def _title(about: dict[str, Any]) -> str:
    fixed = f", {about['fixed']} fixed" if about["fixed"] else ""
    return f"{about['source']} ({about['dataset']}{fixed}), preset {about['settings']['preset']}, {about['model']}"


def _summary(
    rows: Sequence[Row], about: dict[str, Any], settings: RegistrationSettings, outputs: _Outputs, run: Run
) -> str:
    done = len(rows) - len(run.failed)
    how = f"{settings.preset}, {settings.iterations} iterations, {about.get('device', settings.device)}"
    fixed = f" with {about['fixed']} fixed" if about["fixed"] else ""
    written = ", ".join(outputs.standing())
    if outputs.with_transforms:
        written += ", and two transforms a case"
    return "\n".join(
        [
            f"Registered {done} of {len(rows)} cases of {about['dataset']}{fixed} in {run.seconds:.0f} s ({how}).",
            rows_as_table(rows),
            f"Written: {written}",
        ]
    )
