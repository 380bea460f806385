"""Train the encoder's U-Net and the two coordinate networks.

    python -m training.train --pairs pairs/ --steps 3000 --minutes 10 --out run.pt     a first stretch
    python -m training.train --pairs pairs/ --resume run.pt --minutes 10 --out run.pt  each further one
    torchrun --nproc-per-node 4 -m training.train --make-pairs-on-device --ct CT/ ...  on several GPUs

A step reads simulated pairs (`make_pairs`, or made on the device), random smooth motions (`synthetic_matches`)
or real pairs (`cohort`), in turn. Where the truth is known it lowers the distance of the mapped points from it in
both directions, the inconsistency of the two maps, and the latent prior (eq. 7); the images themselves are in the
matches. For real pairs it lowers the paper's loss (eq. 10). docs/training.md says more.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from NePhiCore.encoder import Encoder
from NePhiCore.errors import SettingsError
from NePhiCore.model import ModelConfig

from .batches import generators_of
from .cohort import Cohort
from .command import run_command
from .device_pairs import DevicePairs
from .logbook import Logbook
from .objective import Objective, code_noise
from .pair_files import PairFiles
from .run_file import KEPT_OPTIONS, TrainingRun, read_run, read_weights
from .subjects import phantom_subject, subjects_in
from .synthetic_matches import RandomMotions
from .workers import Workers

WARM_UP_STEPS = 100
REFRESH_EVERY = 50  # steps between looks for new files of pairs


def main(arguments: list[str] | None = None, config: ModelConfig | None = None) -> None:
    """One stretch; `config` is for a model of another size than the product's."""
    started = time.time()
    options, resumed = parse_options(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    workers = Workers.join(options.device)
    try:
        run = _begin(options, resumed, config or ModelConfig(), workers.device)
        sources = data_sources(options, run.model.encoder, workers)
        check_can_go_on(run, list(sources), options)
        train(run, sources, options, workers, started)
    finally:
        workers.leave()


def parse_options(arguments: list[str] | None) -> tuple[argparse.Namespace, dict | None]:
    """The options, and the content of the run to resume."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of make_pairs")
    parser.add_argument("--make-pairs-on-device", action="store_true", help="make pairs while training, on a GPU")
    parser.add_argument("--ct", type=Path, help="folder of chest CT (.nii.gz) to make pairs from on the device")
    parser.add_argument("--phantoms", type=int, default=4, help="phantoms to make pairs from on the device")
    parser.add_argument("--cohort", type=Path, help="CSV of real pairs: fixed, moving, fixed_mask, moving_mask")
    parser.add_argument("--cache", type=Path, help="where prepared real pairs are kept; default beside the CSV")
    parser.add_argument("--steps", type=int, default=3000, help="of the whole run; the learning rate falls over them")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of this stretch, with its preparation")
    parser.add_argument("--out", type=Path, required=True, help="the run's file (.pt); its curves go beside it")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", type=Path, help="a run to go on with")
    start.add_argument("--start-from", type=Path, help="a run or a weights file whose weights a new run begins with")
    parser.add_argument("--batch", type=int, default=4, help="pairs a step, all processes together")
    parser.add_argument("--points", type=int, default=2048, help="points a pair and direction")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--synthetic-share", type=float, default=0.3, help="of the steps are random motions")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16", help="of the encoder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    path = parser.parse_args(arguments).resume
    resumed = read_run(path) if path else None
    if resumed:
        parser.set_defaults(**{name: resumed["options"][name] for name in KEPT_OPTIONS})
    return parser.parse_args(arguments), resumed


def _begin(options: argparse.Namespace, resumed: dict | None, config: ModelConfig, device: torch.device) -> TrainingRun:
    if resumed:
        return TrainingRun.resume(resumed, device)
    if options.start_from:
        config, weights = read_weights(options.start_from)
        return TrainingRun.begin(config, device, weights)
    return TrainingRun.begin(config, device)


def data_sources(options: argparse.Namespace, encoder: Encoder, workers: Workers) -> dict[str, object]:
    """What steps are drawn from, by name; each has `batch(step, generators)`."""
    sources: dict[str, object] = {}
    if options.pairs:
        sources["simulated"] = PairFiles(options.pairs, options.points, encoder.matches_size)
    if options.make_pairs_on_device:
        scans = list(subjects_in(options.ct)) if options.ct else []
        phantoms = [phantom_subject(options.seed * 1000 + number) for number in range(options.phantoms)]
        subjects = [subject.to(workers.device) for subject in scans + phantoms]
        sources["made"] = DevicePairs(subjects, encoder, options.points, options.seed, workers.rank)
    if options.cohort:
        cache = options.cache or options.cohort.with_suffix(".prepared")
        sources["cohort"] = Cohort(options.cohort, cache, options.points)
        sources["cohort"].prepare(encoder, workers.rank, workers.count)
        workers.wait()
    if not sources or options.synthetic_share > 0:
        sources["random"] = RandomMotions(encoder.matches_size, options.points)
    return sources


def check_can_go_on(run: TrainingRun, sources: list[str], options: argparse.Namespace) -> None:
    """Whether this stretch would be the next of its run.

    Raises:
        SettingsError: the run is over, or reads something else than so far.
    """
    if run.step >= options.steps:
        raise SettingsError(
            f"The run has done its {run.step} steps. Begin a new one from its weights with --start-from, or give it "
            "more --steps."
        )
    before = run.stretches[-1]["sources"] if run.stretches else sources
    if sources != before:
        raise SettingsError(
            f"The run reads {', '.join(before)}, but would now read {', '.join(sources)}. Name the same data as "
            "before, or begin a new run from its weights with --start-from."
        )


def source_of_step(names: list[str], step: int, options: argparse.Namespace) -> str:
    """Random motions for their share of the steps, the other sources in equal parts."""
    others = [name for name in names if name != "random"]
    draw_random, draw_other = np.random.default_rng([options.seed, step]).random(2)
    if not others or draw_random < options.synthetic_share:
        return "random"
    return others[int(draw_other * len(others))]


def learning_rate(step: int, options: argparse.Namespace) -> float:
    """Rises over the first steps, then falls as half a cosine."""
    fall = 0.5 + 0.5 * math.cos(math.pi * step / options.steps)
    return options.rate * min(1, (step + 1) / WARM_UP_STEPS) * (fall + 0.005)


def train(
    run: TrainingRun, sources: dict[str, object], options: argparse.Namespace, workers: Workers, started: float
) -> None:
    """Steps until the run or the minutes of this stretch, which began at `started`, are over."""
    objective = workers.share(Objective(run.model, options.precision == "bfloat16"))
    items = workers.items(options.batch)
    logbook = Logbook(run, sources, options, workers, started) if workers.rank == 0 else None
    while run.step < options.steps and not workers.agree(time.time() - started > 60 * options.minutes):
        source = source_of_step(list(sources), run.step, options)
        generators = generators_of(options.seed, run.step, items, workers.device)
        noise = code_noise(run.model.config, generators)
        total, figures = objective(sources[source].batch(run.step, generators), noise)
        _descend(run, total, learning_rate(run.step, options))
        if logbook:
            logbook.add(source, {"loss": total.detach(), **figures})
        if run.step % REFRESH_EVERY == 0 and "simulated" in sources:
            sources["simulated"].refresh()
    if logbook:
        logbook.finish()


def _descend(run: TrainingRun, total: torch.Tensor, rate: float) -> None:
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.optimiser.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimiser.step()
    run.update_average()
    run.step += 1


if __name__ == "__main__":
    run_command(main)
