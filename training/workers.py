"""The processes that train together, one a GPU; without torchrun there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn

from NePhiCore.device import choose_device
from NePhiCore.errors import SettingsError


@dataclass(frozen=True)
class Workers:
    """This process and how many there are; torchrun says so in the environment.

    Attributes:
        rank, count: which of how many this is.
        device: what it computes on.
    """

    rank: int
    count: int
    device: torch.device

    @classmethod
    def join(cls, device: str) -> Workers:
        """Meet the others.

        Raises:
            DeviceError: the device is not there.
        """
        count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        chosen = choose_device(device)
        if count > 1:
            if chosen.type == "cuda":
                chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
                torch.cuda.set_device(chosen)
            # Preparing a cohort may take hours on one process while the others wait.
            distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(days=1))
        return cls(rank, count, chosen)

    def leave(self) -> None:
        if self.count > 1:
            distributed.destroy_process_group()

    def wait(self) -> None:
        """Until all have come this far."""
        if self.count > 1:
            distributed.barrier()

    def agree(self, decision: bool) -> bool:
        """The first process decides for all: clocks differ."""
        if self.count == 1:
            return decision
        said = torch.tensor([decision], dtype=torch.uint8, device=self.device)
        distributed.broadcast(said, 0)
        return bool(said.item())

    def share(self, objective: nn.Module) -> nn.Module:
        """The same, with gradients averaged over the processes."""
        return nn.parallel.DistributedDataParallel(objective) if self.count > 1 else objective

    def items(self, batch: int) -> range:
        """This process' part of a step's batch.

        Raises:
            SettingsError: it cannot be divided.
        """
        if batch < 1 or batch % self.count:
            raise SettingsError(f"A batch of {batch} cannot be shared by {self.count} processes; take a multiple.")
        size = batch // self.count
        return range(self.rank * size, (self.rank + 1) * size)
