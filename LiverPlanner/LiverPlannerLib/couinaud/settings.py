"""How the network of the Couinaud segments is trained, as its checkpoints keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from LiverPlannerLib.couinaud.channels import COUNT

NETWORK = "ResidualUNet3D"


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        steps: how many; the rate follows them, so a busy machine takes longer and ends at the same network.
        batch: maps a step.
        rate, decay: peak learning rate and weight decay of AdamW.
        widths, block: of the network.
        smooth: label smoothing of the cross-entropy.
        average: decay of the running mean of the weights.
        threads: of torch.
        seed: of weights, order and bends.
    """

    steps: int = 1500
    batch: int = 2
    rate: float = 3e-3
    decay: float = 2e-2
    widths: tuple[int, ...] = (24, 48, 96, 128)
    block: int = 2
    smooth: float = 0.02
    average: float = 0.995
    threads: int = 2
    seed: int = 1

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the network."""
        return {"in_channels": COUNT, "out_channels": 8, "widths": list(self.widths), "block": self.block}


def settings_from(values: Mapping[str, Any]) -> Training:
    """The settings that a checkpoint keeps."""
    return Training(**{**values, "widths": tuple(values["widths"])})
