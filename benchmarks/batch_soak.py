"""`python -m benchmarks.batch_soak`: a batch whose workers and whose run are killed, and how fast two workers are.

A cohort of small phantoms is registered by two workers. A worker is killed (kill -9) twice and the whole run once; then
the same command is given again. The logs must prove that every case was registered once, and results.csv, which is
read all the while, must be whole whenever it is read. Before that, the same cases go through one worker and through
two.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from NePhiBatch.output_folder import records_in
from NePhiCore.image_io import write_volume
from NePhiCore.phantom import breathing_phantom

from .batch_history import read_events, violations, whole_rows
from .machine import this_machine
from .processes import environment
from .report import machine_line

PROGRAM = Path(__file__).with_name("batch_program.py")
PATIENTS = 5
# Share of the cases after which a worker is killed, again, and the run.
_KILLS = (0.2, 0.4, 0.6)
_NOISE_HU = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        manifest, cases = write_cohort(folder, max(options.cases, options.throughput))
        print(machine_line(this_machine(1), datetime.now().date().isoformat()), flush=True)
        print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)
        found = []
        if options.throughput:
            found += _throughput(_first(manifest, options.throughput), folder, cases[: options.throughput])
        if options.cases:
            found += _soak(_first(manifest, options.cases), folder / "soak", cases[: options.cases])
        print("\n".join(found) or "PROVED: every case was registered once, and results.csv was whole each time")
        return 1 if found else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_soak", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="of the soak (default 200); 0 for none")
    parser.add_argument("--throughput", type=int, default=20, help="cases for one and for two workers; 0 for none")
    parser.add_argument("--folder", type=Path, help="where to keep all files (default: nowhere)")
    return parser.parse_args(arguments)


def write_cohort(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Small scans (40 x 36 x 44 voxels of 8 mm) of a few patients, each with noise of its own, and their manifest."""
    rows, cases = ["case,fixed,moving,fixed_mask,moving_mask"], []
    for number, (patient, repeat) in enumerate((n % PATIENTS, n // PATIENTS) for n in range(count)):
        phantom = _patient(patient)
        case = f"case_{number:03d}"
        place = folder / "cohort" / case
        place.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng([patient, repeat])
        for role, volume, lungs in (
            ("fixed", phantom.exhale, phantom.exhale_lungs),
            ("moving", phantom.inhale, phantom.inhale_lungs),
        ):
            noisy = volume.hu + draw.normal(0, _NOISE_HU, volume.hu.shape)
            write_volume(place / f"{role}.nii.gz", noisy.astype(np.int16), volume.geometry)
            write_volume(place / f"{role}_mask.nii.gz", lungs, volume.geometry)
        files = (f"cohort/{case}/{name}.nii.gz" for name in ("fixed", "moving", "fixed_mask", "moving_mask"))
        rows.append(",".join((case, *files)))
        cases.append(case)
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest, cases


_patients: dict[int, object] = {}


def _patient(seed: int):
    if seed not in _patients:
        _patients[seed] = breathing_phantom((40, 36, 44), 8.0, seed=seed, noise_hu=0.0)
    return _patients[seed]


def _first(manifest: Path, count: int) -> Path:
    part = manifest.with_name(f"manifest_{count}.csv")
    part.write_text("".join(manifest.read_text(encoding="utf-8").splitlines(keepends=True)[: count + 1]))
    return part


@contextmanager
def _batch(manifest: Path, output: Path, workers: int) -> Iterator[subprocess.Popen]:
    """A batch in a process of its own, ended with the block."""
    command = [sys.executable, str(PROGRAM), "batch", str(manifest), "--output", str(output), "--workers", str(workers)]
    command += ["--preset", "fast", "--grid-spacing", "10", "--device", "cpu", "--quiet"]
    process = subprocess.Popen(command, env=environment(1) | {"OMP_WAIT_POLICY": "PASSIVE"}, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _throughput(manifest: Path, folder: Path, cases: Sequence[str]) -> list[str]:
    """One worker and two, nobody killed; returns what was not as it must be."""
    found, rates = [], []
    for workers in (1, 2):
        output = folder / f"throughput_{workers}"
        code, rate = _rate(manifest, output, workers)
        rates.append(rate)
        found += [f"{workers} workers: exit code {code}"] * bool(code) + violations(output, cases, most_cut_short=0)
    print(f"two workers do {rates[1] / rates[0]:.2f} times as many cases a minute as one", flush=True)
    return found


def _rate(manifest: Path, output: Path, workers: int) -> tuple[int, float]:
    """Exit code, and cases a minute while the workers were at work."""
    start = time.perf_counter()
    with _batch(manifest, output, workers) as process:
        code = process.wait()
    seconds = time.perf_counter() - start
    events = read_events(output)
    first, last = (datetime.fromisoformat(event.when.replace("Z", "+00:00")) for event in (events[0], events[-1]))
    working = (last - first).total_seconds()
    count = sum(event.what == "in place" for event in events)
    each = sum(record.seconds for record in records_in(output)) / count
    print(
        f"{workers} worker{'s' * (workers > 1)}: {count} cases, exit code {code}, {seconds:.0f} s in all; from the "
        f"first case's begin to the last one's end {working:.1f} s, {60 * count / working:.1f} cases a minute, "
        f"{each:.2f} s a case",
        flush=True,
    )
    return code, 60 * count / working


def _soak(manifest: Path, output: Path, cases: Sequence[str]) -> list[str]:
    """Two workers, killed twice, and the run once; returns what was not as it must be."""
    kills = [round(share * len(cases)) for share in _KILLS]
    reader = _Reader(output / "results.csv")
    start = time.perf_counter()
    with _batch(manifest, output, 2) as process:
        for count in kills[:2]:
            reader.wait_until(count, process)
            pid = _worker_at_work(output)
            os.kill(pid, signal.SIGKILL)
            print(f"after {reader.rows} cases: worker {pid} killed", flush=True)
        reader.wait_until(kills[2], process)
        process.kill()
        process.wait()
        print(f"after {reader.rows} cases: the run killed", flush=True)
        while any(map(_is_running, _worker_pids(output))):
            time.sleep(0.1)
    with _batch(manifest, output, 2) as process:
        code = process.wait()
    reader.stop()
    deaths = re.findall(r"dask: (Worker process .*)", (output / "batch.log").read_text(encoding="utf-8"))
    found = violations(output, cases, most_cut_short=len(deaths) + 2) + reader.violations
    begun = sum(event.what == "begins" for event in read_events(output))
    print(f"the same command again: exit code {code}; {time.perf_counter() - start:.0f} s for both runs")
    print(f"{len(cases)} cases, {begun} attempts, {begun - len(cases)} of them cut short")
    print("died while the run lived: " + "; ".join(deaths))
    print(f"results.csv was read {reader.reads} times meanwhile")
    return [*found, *[f"the same command again: exit code {code}"] * bool(code)]


class _Reader:
    """Reads results.csv over and over while it grows.

    Attributes:
        reads, rows: how often, and how many rows it has now.
        violations: what was wrong with it.
    """

    def __init__(self, results: Path) -> None:
        self.reads, self.rows = 0, 0
        self.violations: list[str] = []
        self._results, self._goes_on = results, True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._goes_on:
            try:
                rows = len(whole_rows(self._results))
                if rows < self.rows:
                    self.violations.append(f"results.csv had {self.rows} rows, then {rows}")
                self.reads, self.rows = self.reads + 1, rows
            except FileNotFoundError:
                if self.rows:
                    self.violations.append("results.csv was gone for a moment")
            except ValueError as error:
                self.violations.append(str(error))
            time.sleep(0.02)

    def wait_until(self, rows: int, process: subprocess.Popen) -> None:
        while self.rows < rows:
            if process.poll() is not None:
                raise RuntimeError(f"the batch ended with {process.returncode} before it was killed")
            time.sleep(0.02)

    def stop(self) -> None:
        self._goes_on = False
        self._thread.join()


def _worker_pids(output: Path) -> list[int]:
    return [int(log.stem.rpartition("-")[2]) for log in (output / "logs").glob("*.log")]


def _worker_at_work(output: Path) -> int:
    """The worker that wrote to its log last."""
    log = max((output / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    return int(log.stem.rpartition("-")[2])


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
