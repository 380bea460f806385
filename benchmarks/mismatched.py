"""`python -m benchmarks.mismatched`: what images of one patient and of two have in common after registration.

Each pair of a folder is registered, and each of its fixed images with every image of somebody else. What the warnings'
limits are to be is read from the result. Takes half an hour and more; a line a registration goes into a file, and a
command that is run again goes on from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from NePhiCore.checkpoint import LoadedModel, load_checkpoint
from NePhiCore.geometry import ImageGeometry
from NePhiCore.image_io import read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.model_store import default_model_path
from NePhiCore.plausibility import plausibility_report
from NePhiCore.quality import quality_report
from NePhiCore.registration import register
from NePhiCore.settings import PRESETS, settings_for
from NePhiCore.volume import Volume

from .report import table, write_section

ROOT = Path(__file__).resolve().parents[1]


def combinations(pairs: Sequence[tuple[Path, Path]], singles: Sequence[Path]) -> Iterator[tuple[bool, Path, Path]]:
    """Whether they show one patient, fixed and moving: the pairs, and everything with the images of other patients."""
    yield from ((True, *pair) for pair in pairs)
    for (fixed, _), moving in itertools.product(pairs, singles):
        yield False, fixed, moving
    for fixed, moving in itertools.combinations(singles, 2):
        yield False, fixed, moving


def measure(fixed_path: Path, moving_path: Path, preset: str, model: LoadedModel) -> dict[str, float]:
    """Register two images whose middles are laid on each other; the figures that warnings look at."""
    fixed, moving = (_centred(read_volume(path, path.name)) for path in (fixed_path, moving_path))
    lungs = find_lungs(fixed), find_lungs(moving)
    settings = settings_for(preset, device="cpu")
    result = register(fixed, moving, settings, fixed_lungs=lungs[0], moving_lungs=lungs[1], model=model)
    report = quality_report(fixed, moving, result.fixed_to_moving, result.moving_to_fixed, *lungs)
    report |= plausibility_report(fixed, moving, result.fixed_to_moving, *lungs)
    return {
        "local_ncc": report["similarity"]["after"]["local_ncc"],
        "dice": report["lung_overlap_dice"]["after"],
        "motion_p95_mm": report["motion_mm"]["p95"],
        "light_share": min(report["light_share"].values()),
        "cut_cm2": max(report["lungs_cut_cm2"].values()),
    }


def _centred(volume: Volume) -> Volume:
    matrix = volume.geometry.ijk_to_ras.copy()
    matrix[:3, 3] -= volume.geometry.corners_ras_mm().mean(0)
    return Volume(volume.hu, ImageGeometry(volume.hu.shape, matrix), volume.name)


def summary_table(rows: Sequence[dict]) -> str:
    """Least, median and largest of each figure, of one patient and of two."""
    lines = []
    for preset, same in sorted({(row["preset"], row["same"]) for row in rows}, key=lambda key: (key[0], not key[1])):
        of = [row for row in rows if (row["preset"], row["same"]) == (preset, same)]
        spans = [_span([row[name] for row in of]) for name in ("local_ncc", "dice", "motion_p95_mm", "light_share")]
        lines.append([preset, "one" if same else "two", len(of), *spans])
    header = ("preset", "patients", "registrations", "local NCC", "Dice of the lungs", "motion p95 mm", "light share")
    return table(header, lines)


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {np.median(values):.2f} / {max(values):.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    done = (
        [json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines()]
        if options.results.exists()
        else []
    )
    model = load_checkpoint(default_model_path())
    for same, fixed, moving in combinations(options.pair, options.single):
        key = {"preset": options.preset, "same": same, "fixed": _name(fixed), "moving": _name(moving)}
        if any(key.items() <= row.items() for row in done):
            continue
        done.append({**key, **measure(fixed, moving, options.preset, model)})
        with options.results.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(done[-1], flush=True)
    write_section(options.output, "mismatched", "Least / median / largest.\n\n" + summary_table(done))
    return 0


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mismatched", description=__doc__)
    parser.add_argument("--pair", type=Path, nargs=2, action="append", default=[], metavar=("FIXED", "MOVING"))
    parser.add_argument("--single", type=Path, nargs="*", default=[], help="one image each of other patients")
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--results", type=Path, default=Path("mismatched.jsonl"), help="a line a registration")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "reliability.md")
    options = parser.parse_args(arguments)
    options.pair = [tuple(pair) for pair in options.pair]
    return options


if __name__ == "__main__":
    raise SystemExit(main())
