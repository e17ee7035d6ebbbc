"""Dice of a network on patches and on whole volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.phantoms.tissues import UNSCORED
from PreopReviewLib.training.phantom_data import Sample
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


def patch_dice(network: nn.Module, samples: Sequence[Sample], recipe: Recipe, device: torch.device) -> dict[str, float]:
    """Dice of each class over all voxels of the samples together (NaN where a class is nowhere).

    Args:
        network: in evaluation mode.
        samples: input and target, as the source gives them.
        recipe: names the classes, and the nested regions if its loss has them.
    """
    import torch

    regions = recipe["loss.arguments"].get("regions")
    names = recipe["data.classes"][1:]
    counts = np.zeros((len(names), 3))
    for image, target in samples:
        with torch.inference_mode():
            logits = network(torch.from_numpy(image)[None].to(device))
        found = predicted_classes(logits[0].float().cpu(), regions)
        scored = target != UNSCORED
        for index in range(len(names)):
            a, b = (found == index + 1) & scored, (target == index + 1) & scored
            counts[index] += (np.count_nonzero(a & b), np.count_nonzero(a), np.count_nonzero(b))
    return {
        name: float(2 * both / (a + b)) if b else float("nan") for name, (both, a, b) in zip(names, counts, strict=True)
    }


def predicted_classes(logits: torch.Tensor, regions: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """Class of each voxel from logits (C, K, J, I): the largest, or from nested sigmoid regions, outermost first."""
    if regions is None:
        return logits.argmax(0).numpy().astype(np.uint8)
    found = np.zeros(tuple(logits.shape[1:]), np.uint8)
    inner = np.ones(found.shape, bool)
    for channel, classes in enumerate(regions):
        inner &= logits[channel].numpy() > 0
        own = set(classes) - set(regions[channel + 1] if channel + 1 < len(regions) else ())
        found[inner] = min(own)
    return found
