"""`nephi batch`: what can be checked is checked first, then what is left of a cohort is registered."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from NePhiCore.cli_run import Run
from NePhiCore.errors import RegistrationCancelled, SettingsError, reason_of
from NePhiCore.output_paths import made_folder
from NePhiCore.pair_list import FILE_COLUMNS
from NePhiCore.register_command import chosen_settings
from NePhiCore.settings import RegistrationSettings

from .case_job import CaseJob
from .dask_clusters import check_dask, existing_workers, local_workers, slurm_options, slurm_workers
from .dispatch import Workers, open_jobs, work
from .folder_lock import FolderLock
from .ledger import Ledger
from .manifest import BatchCase, Manifest, Problem, read_manifest
from .one_worker import OneProcess, OneWorker
from .output_folder import OutputFolder, hidden_folder
from .report_page import write_report
from .run_log import RunLog

_MOST_SHOWN = 20
_SECONDS_BETWEEN_LOOKS = 0.2


def batch_command(options: Namespace, run: Run) -> str:
    """Do what the arguments of ``nephi batch`` ask for; returns the summary to print.

    A case that fails, and a row that is no case, is noted in the table and in ``run.failed``; the others are done all
    the same.

    Raises:
        NePhiError: before the first case, or where results cannot be written; what was finished is on the disk.
    """
    settings = chosen_settings(options)
    patterns = {name: pattern for name in FILE_COLUMNS if (pattern := getattr(options, f"{name}_pattern"))}
    manifest = read_manifest(options.source, patterns)
    with run.step("starting"):
        workers = _chosen_workers(options, settings, run)
        weights_sha256 = _checked_weights(options.model)
    model = None if options.model is None else Path(os.path.abspath(options.model))
    with made_folder(Path(os.path.abspath(options.output))) as output:
        with FolderLock(hidden_folder(output)) as lock:
            folder = OutputFolder(output, lock.token)
            ledger = Ledger(folder, folder.run_log())
            rest = settings, model, weights_sha256, output, lock.token, options.time_limit
            jobs = [CaseJob(case, *rest) for case in manifest.cases]
            with _ended_well(ledger, run):
                left = _left(jobs, manifest, ledger, run, options.retry_failed)
                if left:
                    with workers(ledger.log) as found:
                        work(left, found, ledger, run)
    run.failed = _shortened(list(ledger.failed))
    return _summary(ledger, settings, run)


def _chosen_workers(
    options: Namespace, settings: RegistrationSettings, run: Run
) -> Callable[[RunLog], AbstractContextManager[Workers]]:
    """Who shall do it, given the log for what they have to say; checked as far as that is possible beforehand."""
    if options.scheduler:
        check_dask()
        return lambda log: existing_workers(options.scheduler, log)
    if options.slurm_option and not options.slurm:
        raise SettingsError("--slurm-option is for --slurm N. Give that too, or leave it out.")
    if options.slurm:
        more = slurm_options(options.slurm_option)
        check_dask(with_slurm=True)
        return lambda log: slurm_workers(options.slurm, more, log)
    if options.workers > 1:
        check_dask()
    from NePhiCore.device import choose_device, gpu_names

    gpus = gpu_names(choose_device(settings.device))
    count = min(options.workers, len(gpus)) if gpus else options.workers
    if count < options.workers:
        run.say(f"nephi: {count} workers instead of {options.workers}: each needs a GPU of its own (or --device cpu).")
    return (lambda log: OneWorker()) if count == 1 else (lambda log: local_workers(count, gpus, log))


def _checked_weights(model: Path | None) -> str:
    """SHA-256 of the weights, which can be used."""
    from NePhiCore.checkpoint import load_checkpoint
    from NePhiCore.model_store import default_model_path

    return load_checkpoint(model or default_model_path()).sha256


@contextmanager
def _ended_well(ledger: Ledger, run: Run) -> Iterator[None]:
    """Table and report are written however the run ends, and an interrupt says what is kept."""
    try:
        yield
    except (RegistrationCancelled, KeyboardInterrupt) as error:
        done = ledger.before + ledger.done
        raise RegistrationCancelled(
            f"{done} of {ledger.total} cases are done. The same command goes on from here."
        ) from error
    finally:
        try:
            ledger.write()
            write_report(ledger.folder.folder)
        except Exception as error:
            run.say(f"nephi: error: table or report could not be written: {reason_of(error)}")
        ledger.log.note(f"the run ends: {ledger.ended} of {ledger.total} cases have ended, {len(ledger.failed)} failed")


def _left(jobs: list[CaseJob], manifest: Manifest, ledger: Ledger, run: Run, retry_failed: bool) -> list[CaseJob]:
    """The jobs to do now; what cannot be tried is told, all at once."""
    rescued = ledger.folder.clear()
    names = {problem.case for problem in manifest.problems if problem.case}
    ledger.open([*(job.case.name for job in jobs), *sorted(names)], len(manifest.problems) - len(names))
    ledger.log.note(
        f"a run begins, {ledger.total} cases; put in place of an earlier run: {', '.join(rescued) or 'none'}"
    )
    left = open_jobs(jobs, ledger, run, retry_failed)
    problems = [*manifest.problems]
    good = []
    with OneProcess() as process:
        for job in left:
            run.show("looking at the files", 0.0)
            found = _problems_of(job.case, ledger.folder, process, run)
            problems += found
            good += [] if found else [job]
    for problem in sorted(problems, key=lambda problem: problem.line or 0):
        ledger.refuse(problem)
        run.say(f"nephi: bad row: {problem.place}: {problem.text}")
    if manifest.ignored:
        run.say(f"nephi: columns that mean nothing here: {', '.join(manifest.ignored)}.")
    ledger.write()
    return good


def _problems_of(case: BatchCase, folder: OutputFolder, process: OneProcess, run: Run) -> list[Problem]:
    from .input_checks import problems_of

    asked = process.ask(problems_of, case)
    while not wait([asked], _SECONDS_BETWEEN_LOOKS).done:
        run.stop_if_interrupted()
    try:
        texts = asked.result()
    except BrokenExecutor:
        texts = ["One of its files is damaged so that the program crashes that reads it. Write the files anew."]
    except Exception as error:  # a fault of this program, and for one case only
        texts = [f"Its files cannot be looked at: {reason_of(error)}."]
    if folder.is_foreign(case.name):
        place = folder.case_folder(case.name)
        texts.append(f"{place} was not made by nephi batch. Move it away, or choose another --output.")
    return [Problem(case.line, case.name, text) for text in texts]


def _shortened(names: list[str]) -> list[str]:
    more = len(names) - _MOST_SHOWN
    return names if more <= 0 else [*names[:_MOST_SHOWN], f"and {more} more"]


def _summary(ledger: Ledger, settings: RegistrationSettings, run: Run) -> str:
    how = f"{settings.preset}, {settings.iterations} iterations"
    before = f", {ledger.before} were done before" if ledger.before else ""
    lines = [f"Registered {ledger.done} of {ledger.total} cases in {run.seconds:.0f} s ({how}){before}."]
    lines += [f"{name} failed: {reason}" for name, reason in list(ledger.failed.items())[:_MOST_SHOWN]]
    if len(ledger.failed) > _MOST_SHOWN:
        lines.append(f"and {len(ledger.failed) - _MOST_SHOWN} more, see results.csv.")
    return "\n".join([*lines, "Written: results.csv, index.html, a folder for each case in cases"])
