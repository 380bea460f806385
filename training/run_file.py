"""A training run in one file: everything that the next stretch needs to go on as if there had been no end.

There is no random state: see `batches`. The file must travel, so its size is limited.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from NePhiCore.errors import ModelFileError, OptimisationDivergedError, SettingsError
from NePhiCore.model import ModelConfig, NePhiModel

LARGEST_FILE_BYTES = 16 * 2**20
_STATES, _BYTES = 4, 4  # weights, their mean and two moments of Adam, in float32
_ALLOWANCE = 2**18  # for everything else
# What makes a run what it is; a resumed run goes on with it unless told otherwise.
KEPT_OPTIONS = ("steps", "batch", "points", "rate", "synthetic_share", "seed", "precision")
_CONTENT = {"model", "raw", "optimiser", "step", "config", "options", "stretches"}


@dataclass(eq=False)
class TrainingRun:
    """The state between two steps.

    Attributes:
        model: the weights that are trained.
        average: their moving mean, which is what ships.
        optimiser: Adam with its moments.
        step: the next one.
        stretches: what was done so far: steps, commit, device and data of each.
    """

    model: NePhiModel
    average: NePhiModel
    optimiser: torch.optim.Adam
    step: int = 0
    stretches: list[dict] = field(default_factory=list)

    @classmethod
    def begin(cls, config: ModelConfig, device: torch.device | str, weights: dict | None = None) -> TrainingRun:
        """A new run, of new weights or of given ones.

        Raises:
            SettingsError: a model so large that its run would not fit into a file.
            ModelFileError: the weights are of another model.
        """
        model = NePhiModel(config)
        if weights is not None:
            try:
                model.load_state_dict(weights)
            except RuntimeError as error:
                raise ModelFileError(f"The weights do not fit a model with {config}.") from error
        size = sum(value.numel() for value in model.state_dict().values()) * _STATES * _BYTES + _ALLOWANCE
        if size > LARGEST_FILE_BYTES:
            raise SettingsError(
                f"A run of this model takes {size / 2**20:.1f} MiB a file, at most {LARGEST_FILE_BYTES >> 20} can "
                "travel. Choose a smaller model (ModelConfig)."
            )
        model.to(device)
        average = copy.deepcopy(model).requires_grad_(False)
        return cls(model, average, torch.optim.Adam(model.parameters(), betas=(0.9, 0.98)))

    @torch.no_grad()
    def update_average(self) -> None:
        """The mean forgets slowly, but the first weights, which are random, fast."""
        keep = min(0.998, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.parameters(), self.model.parameters()):
            mean.lerp_(value, 1 - keep)

    def save(self, path: Path, options: dict[str, object], stretch: dict) -> None:
        """Write the run to a file that appears whole.

        Raises:
            OptimisationDivergedError: a weight is NaN or infinite; a file that is there stays as it is.
        """
        if not all(torch.isfinite(value).all() for value in self.model.state_dict().values()):
            raise OptimisationDivergedError(
                f"The training diverged before step {self.step}: weights became NaN or infinite. Go on from the last "
                "file written with a lower --rate."
            )
        content = {
            "model": self.average.state_dict(),
            "raw": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "config": self.model.config.as_dict(),
            "options": options,
            "stretches": _appended(self.stretches, stretch),
        }
        whole = path.with_suffix(".part")
        torch.save(content, whole)
        whole.rename(path)

    @classmethod
    def resume(cls, content: dict, device: torch.device | str) -> TrainingRun:
        """The run of a file's content, see `read_run`."""
        run = cls.begin(ModelConfig(**content["config"]), device, content["raw"])
        run.average.load_state_dict(content["model"])
        run.optimiser.load_state_dict(content["optimiser"])
        run.step, run.stretches = content["step"], content["stretches"]
        return run


def read_run(path: Path) -> dict:
    """The content of a run's file, on the CPU.

    Raises:
        ModelFileError: missing, damaged, or no training run.
    """
    content = _read(path)
    if not _CONTENT <= set(content):
        raise ModelFileError(
            f"{path} cannot be resumed: it holds no state of a training. Choose a file written by training.train, or "
            "begin a new run from its weights with --start-from."
        )
    return content


def read_weights(path: Path) -> tuple[ModelConfig, dict]:
    """Config and weights of a training run (the mean ones) or of a shipped model.

    Raises:
        ModelFileError: missing, damaged, or without weights.
    """
    content = _read(path)
    weights = content.get("model", content.get("weights"))
    if not isinstance(weights, dict):
        raise ModelFileError(f"{path} holds no weights. Choose a training run or a NePhi weights file.")
    return ModelConfig(**content.get("config", {})), weights


def _read(path: Path) -> dict:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ModelFileError(f"{path} cannot be read: {reason}.") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} holds no training run.")
    return content


def _appended(stretches: list[dict], stretch: dict) -> list[dict]:
    """One more; where it only goes on with the last, that one made longer, so that the file does not grow."""
    *before, last = stretches or [None]
    if last and last["steps"][1] == stretch["steps"][0] and {**last, "steps": stretch["steps"]} == stretch:
        return [*before, {**last, "steps": [last["steps"][0], stretch["steps"][1]]}]
    return [*stretches, stretch]
