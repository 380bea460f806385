"""One registration after another in one process, from arrays in memory to both dense fields.

The first pays for what a process sets up once; the others are what a GPU, or a program that stays, takes for a pair.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.device import forget_peak_memory, peak_memory_bytes, working_device
from NePhiCore.image_io import read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.model_store import default_model_path
from NePhiCore.registration import RegistrationResult, register
from NePhiCore.settings import PRESETS, RegistrationSettings, settings_for
from NePhiCore.transform_io import write_displacement
from NePhiCore.volume import Volume


def register_again_and_again(
    fixed: Volume, moving: Volume, settings: RegistrationSettings, runs: int
) -> tuple[RegistrationResult, dict[str, object]]:
    """Register a pair once and then `runs` times more, its lungs found beforehand.

    Returns:
        The last result; and "first_seconds", "seconds" of each of the others, medians of their steps, the most memory
        of the process, or that its tensors had of a GPU, "reserved" what was free between them too; and the device.
    """
    masks = {"fixed_lungs": find_lungs(fixed), "moving_lungs": find_lungs(moving)}
    seconds, steps = [], []
    start = time.perf_counter()
    device, model = working_device(settings.device), load_checkpoint(default_model_path())
    for number in range(runs + 1):
        if number == 1:
            forget_peak_memory(device)
        result = register(fixed, moving, settings, model=model, **masks)
        now = time.perf_counter()  # both fields are arrays of the CPU: nothing is still to come
        seconds.append(now - start)
        steps.append(result.seconds_by_step)
        start = now
    return result, {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "first_seconds": seconds[0],
        "seconds": seconds[1:],
        "seconds_by_step": {step: statistics.median(s[step] for s in steps[1:]) for step in steps[0]},
        "peak_bytes": peak_memory_bytes(device),
        "reserved_bytes": torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("fixed", "moving", "transform", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    settings = settings_for(options.preset, device=options.device)
    volumes = read_volume(options.fixed, "fixed"), read_volume(options.moving, "moving")
    result, figures = register_again_and_again(*volumes, settings, options.runs)
    write_displacement(options.transform, result.fixed_to_moving)
    options.report.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
