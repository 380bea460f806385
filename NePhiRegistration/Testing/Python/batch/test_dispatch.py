from concurrent.futures import Future

import pytest
from batch_cases import InlineWorkers, WorkerDied

from NePhiBatch.case_job import CaseJob
from NePhiBatch.case_record import DONE, FAILED, CaseRecord, sizes_in
from NePhiBatch.dispatch import MOST_ATTEMPTS, WorkersLostError, open_jobs, work
from NePhiBatch.folder_lock import FolderLock
from NePhiBatch.ledger import Ledger
from NePhiBatch.manifest import BatchCase
from NePhiBatch.output_folder import OutputFolder, hidden_folder
from NePhiBatch.run_log import now_utc
from NePhiCore.cli_run import Run
from NePhiCore.errors import DeviceError, OutputError, RegistrationCancelled
from NePhiCore.interruption import Interruption
from NePhiCore.settings import settings_for


@pytest.fixture
def folder(tmp_path):
    with FolderLock(hidden_folder(tmp_path)) as lock:
        found = OutputFolder(tmp_path, lock.token)
        found.clear()
        yield found


@pytest.fixture
def run():
    return Run(lambda message: None, Interruption())


@pytest.fixture
def jobs(folder, tmp_path):
    (tmp_path / "image.nrrd").write_text("image")
    files = {"fixed": tmp_path / "image.nrrd", "moving": tmp_path / "image.nrrd"}
    settings = settings_for("fast")
    return [CaseJob(BatchCase(name, files), settings, None, "w", tmp_path, folder._token) for name in "ABC"]


@pytest.fixture
def ledger(folder, jobs):
    found = Ledger(folder, folder.run_log())
    found.open([job.case.name for job in jobs], 0)
    return found


def made(job, status=DONE, reason=""):
    """Stands for a registration: its folder is put in place at once."""
    folder = OutputFolder(job.output, job.token)
    attempt = folder.begin(job.case.name)
    (attempt / "report.json").write_text('{"warnings": []}')
    number = len(folder.attempts(job.case.name))
    one = CaseRecord(
        job.case.name, status, reason, number, job.recipe(), 1.0, now_utc(), "w", job.token, sizes_in(attempt)
    )
    return folder.finish(attempt, one)


def test_every_job_is_done_once(jobs, ledger, run):
    workers = InlineWorkers(made)
    work(jobs, workers, ledger, run)
    assert workers.submitted == ["A", "B", "C"]
    assert (ledger.done, ledger.failed) == (3, {})
    assert open_jobs(jobs, ledger, run, retry_failed=False) == []
    assert ledger.before == 3


def test_a_failure_is_noted_and_the_rest_goes_on(jobs, ledger, run):
    def run_case(job):
        return made(job, FAILED, "no lungs") if job.case.name == "B" else made(job)

    work(jobs, InlineWorkers(run_case), ledger, run)
    assert (ledger.done, ledger.failed) == (2, {"B": "no lungs"})
    again = Ledger(ledger.folder, ledger.log)
    again.open("ABC", 0)
    assert open_jobs(jobs, again, run, retry_failed=False) == []
    assert again.failed == {"B": "no lungs"}
    assert [job.case.name for job in open_jobs(jobs, ledger, run, retry_failed=True)] == ["B"]


def test_a_case_whose_worker_dies_once_is_tried_again(jobs, ledger, run):
    deaths = iter([True])

    def run_case(job):
        if job.case.name == "B" and next(deaths, False):
            OutputFolder(job.output, job.token).begin("B")
            raise WorkerDied
        return made(job)

    workers = InlineWorkers(run_case)
    work(jobs, workers, ledger, run)
    assert workers.submitted == ["A", "B", "B", "C"]
    assert ledger.done == 3


def test_a_case_that_kills_its_workers_is_given_up_and_its_log_is_kept(jobs, ledger, run, folder):
    def run_case(job):
        if job.case.name == "A":
            (folder.begin("A") / "log.txt").write_text("got as far as encoding\n")
            raise WorkerDied
        return made(job)

    workers = InlineWorkers(run_case)
    work(jobs, workers, ledger, run)
    assert workers.submitted.count("A") == MOST_ATTEMPTS
    assert (ledger.done, list(ledger.failed)) == (2, ["A"])
    assert f"died {MOST_ATTEMPTS} times" in ledger.failed["A"]
    log = (folder.case_folder("A") / "log.txt").read_text(encoding="utf-8")
    assert log.startswith("got as far as encoding\n") and f"died {MOST_ATTEMPTS} times" in log


def test_a_case_that_was_never_begun_is_not_blamed_for_the_deaths_of_workers(jobs, ledger, run):
    """Dask gives up a case that only waited for a worker that died several times; here it is tried again."""
    deaths = iter([True, True])

    def run_case(job):
        if job.case.name == "A" and next(deaths, False):
            raise WorkerDied
        return made(job)

    work(jobs, InlineWorkers(run_case), ledger, run)
    assert (ledger.done, ledger.failed) == (3, {})


def test_workers_that_never_begin_end_the_run_and_fail_no_case(jobs, ledger, run):
    def run_case(job):
        raise WorkerDied

    workers = InlineWorkers(run_case)
    with pytest.raises(WorkersLostError, match="die before they begin a case"):
        work(jobs, workers, ledger, run)
    assert 2 < len(workers.submitted) < 10
    assert ledger.failed == {}


@pytest.mark.parametrize(
    ("error", "raised"),
    [(DeviceError("no GPU there"), DeviceError), (ModuleNotFoundError("No module named x"), WorkersLostError)],
)
def test_what_is_no_fault_of_a_case_ends_the_run_and_fails_no_case(jobs, ledger, run, error, raised):
    def run_case(job):
        raise error

    with pytest.raises(raised, match=str(error)):
        work(jobs, InlineWorkers(run_case), ledger, run)
    assert (ledger.ended, ledger.failed) == (0, {})


def test_a_connection_that_is_lost_is_said(jobs, ledger, run):
    class Lost(InlineWorkers):
        def submit(self, job):
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(WorkersLostError, match="connection to the workers is lost"):
        work(jobs, Lost(), ledger, run)


def test_no_more_cases_are_given_out_than_can_be_worked_on(jobs, ledger, run):
    at_once = []

    class Two(InlineWorkers):
        def capacity(self):
            return 2

        def submit(self, job):
            at_once.append(len(at_once) - ledger.ended)
            return super().submit(job)

    work(jobs, Two(made), ledger, run)
    assert max(at_once) == 1  # one other


def test_a_run_waits_for_the_first_worker(jobs, ledger):
    shown = []

    class Late(InlineWorkers):
        def capacity(self):
            return 0 if len(shown) < 2 else 1

    work(jobs, Late(made), ledger, Run(lambda message: shown.append(message.step), Interruption()))
    assert shown[:2] == ["waiting for a worker"] * 2
    assert ledger.done == 3


def test_a_run_that_lost_its_folder_stops(jobs, ledger, run, folder):
    (folder.hidden / "run.json").write_text('{"token": "another"}')
    with pytest.raises(OutputError, match="Another run took"):
        work(jobs, InlineWorkers(made), ledger, run)


def test_an_interrupt_ends_the_work(jobs, ledger):
    interruption = Interruption()

    def run_case(job):
        interruption.happened = True
        return made(job)

    with pytest.raises(RegistrationCancelled):
        work(jobs, InlineWorkers(run_case), ledger, Run(lambda message: None, interruption))
