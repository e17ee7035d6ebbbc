"""One process or several (torchrun): who am I, on which device, and do we all stop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PreopReviewLib.errors import InputError
from PreopReviewLib.inference.device import choose_device

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Group:
    """This process among those that train together."""

    rank: int
    world: int
    device: torch.device

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over the group."""
        if self.world == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(network, [self.device] if self.device.type == "cuda" else None)

    def any(self, flag: bool) -> bool:
        """True for all as soon as it is true for one, so that none waits for a gradient that never comes."""
        if self.world == 1:
            return flag
        import torch
        import torch.distributed as distributed

        value = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(value)
        return bool(value.item() > 0)

    def leave(self) -> None:
        """End the group."""
        if self.world > 1:
            import torch.distributed as distributed

            distributed.destroy_process_group()


def join_group(device: str = "auto") -> Group:
    """The group that torchrun's environment describes, or this process alone.

    Args:
        device: "auto", "cpu", "mps", "cuda" or "cuda:1".

    Raises:
        InputError: no such device here.
    """
    import torch

    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_RANK", 0))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    name, _, number = device.partition(":")
    choose_device(name)
    if number and (name != "cuda" or not number.isdigit() or int(number) >= torch.cuda.device_count()):
        raise InputError(f"The device {device} is not available to torch here", "Choose cpu or auto")
    where = torch.device(f"cuda:{local}" if device == "cuda" else device)
    if world > 1:
        import torch.distributed as distributed

        distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    return Group(rank, world, where)
