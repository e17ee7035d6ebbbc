"""The loss of segmentation recipes, with deep supervision where the network offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PreopReviewLib.training.losses import build_loss, over_scales
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn


class SegmentationLoss:
    """The recipe's loss of a network's output."""

    def __init__(self, recipe: Recipe) -> None:
        self.scales = recipe.get("loss.scales")
        self.one = build_loss(recipe["loss.name"], recipe["loss.arguments"])

    def __call__(self, network: nn.Module, output: Any, target: Tensor) -> Tensor:
        if self.scales is None:
            return self.one(output, target)
        outputs = supervised_outputs(network, output)
        return over_scales(self.one, outputs, target, self.scales[: len(outputs)])


def supervised_outputs(network: nn.Module, output: Tensor) -> list[Tensor]:
    """The outputs of a network with deep supervision, each at its own resolution, the full one first.

    MONAI's DynUNet gives them enlarged, as (N, outputs, C, K, J, I); as they were, it keeps them in `heads`.
    """
    if output.ndim != 6:
        return [output]
    heads = list(getattr(network, "heads", ()))
    full = output[:, 0]
    return [full, *heads] if len(heads) == output.shape[1] - 1 else list(output.unbind(1))
