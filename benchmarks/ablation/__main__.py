"""`python -m benchmarks.ablation`: run the studies that have not been run, and write ablation.md with its pictures."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.cases import find_pairs, phantom_pair
from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.model_store import default_model_path

from .report import write_report
from .results import Results, Row
from .runner import jobs, run_jobs
from .studies import STUDIES
from .subjects import Subject

ROOT = Path(__file__).resolve().parents[2]
RESULTS = "ablation-results.jsonl"
QUICK_OUT = Path("build", "ablation-quick")  # what is no measurement stays out of the document


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    results = Results(options.out / RESULTS)
    if not options.report:
        with tempfile.TemporaryDirectory() as folder:
            _run(options, results, Path(folder))
    write_report(options.out, results.rows)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [study.name for study in STUDIES]
    data = ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("--pairs", nargs="+", type=Path, default=[data], help="folders; the phantom if none has a pair")
    parser.add_argument("--out", type=Path, help=f"folder of {RESULTS} and the document (docs; quick: {QUICK_OUT})")
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="STUDY", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="a tenth of the iterations, to see that it works")
    parser.add_argument("--report", action="store_true", help="only write the document from the rows there are")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    options.out = options.out or ROOT / (QUICK_OUT if options.quick else "docs")
    return options


def _run(options: argparse.Namespace, results: Results, scratch: Path) -> None:
    model = load_checkpoint(default_model_path())
    pairs = [pair for folder in options.pairs for pair in find_pairs(folder)] or [phantom_pair(scratch)]
    subjects = [Subject(pair, model, options.device) for pair in pairs]
    studies = [study for study in STUDIES if study.name in options.only]
    print(f"pairs: {', '.join(pair.name for pair in pairs)}; rows so far: {len(results.rows)}", flush=True)
    run_jobs(jobs(studies, subjects), model, results, options.device, options.quick, _tell)


def _tell(row: Row) -> None:
    figures = ", ".join(f"{name} {value}" for name, value in row["figures"].items())
    print(f"{row['study']}, {row['variant']}, {row['pair']}: {figures}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
