"""Dice of a network on patches and on whole cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.phantoms.tissues import UNSCORED
from PreopReviewLib.progress import CancelToken, silent
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.task import Sample

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

    counts = np.zeros((len(recipe["data.classes"]) - 1, 3))
    for image, target in samples:
        with torch.inference_mode():
            logits = network(torch.from_numpy(image)[None].to(device))
        predicted = predicted_classes(logits[0].float().cpu(), recipe["loss.arguments"].get("regions"))
        counts += _counts(predicted, target, len(counts))
    return _dice(counts, recipe)


def case_dice(
    network: nn.Module, kept: Mapping[str, np.ndarray], recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Dice of each class on a whole prepared case, as the network will be applied (NaN where the case lacks it).

    Args:
        network: in evaluation mode.
        kept: the case's `image` (C, K, J, I) and `target` (K, J, I).
    """
    from PreopReviewLib.inference import Predictor
    from PreopReviewLib.inference.device import Placement
    from PreopReviewLib.models.scan_windows import Windows, logits_in_slabs
    from PreopReviewLib.training.applied import inference_settings
    from PreopReviewLib.training.image_data import inside_liver

    regions = recipe["loss.arguments"].get("regions")
    # A network inside a liver sees all of it at once.
    settings = {"window": recipe["data.patch"], "whole": True} if inside_liver(recipe) else {}
    settings |= inference_settings(recipe)
    predictor = Predictor(network, Placement(device.type, "float32"))
    counts = np.zeros((len(recipe["data.classes"]) - 1, 3))
    values = np.asarray(kept["image"], np.float32)
    channels = len(regions) if regions else len(recipe["data.classes"])
    for slab, logits in logits_in_slabs(predictor, values, channels, Windows.of(settings), silent, CancelToken()):
        counts += _counts(predicted_classes(logits, regions), np.asarray(kept["target"][slab]), len(counts))
    return _dice(counts, recipe)


def mean_scores(scores: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """`dice`, the mean over the classes, and the mean of each over the cases that have it; {} without cases."""
    if not scores:
        return {}
    means = {}
    for name in names:
        values = [s[name] for s in scores if np.isfinite(s[name])]
        means[name] = float(np.mean(values)) if values else float("nan")
    known = [v for v in means.values() if np.isfinite(v)]
    return {"dice": float(np.mean(known)) if known else float("nan"), **means}


def _counts(predicted: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """For each class: voxels in both, found, and true, of those that are scored."""
    scored = target != UNSCORED
    counts = np.zeros((classes, 3))
    for index in range(classes):
        a, b = (predicted == index + 1) & scored, (target == index + 1) & scored
        counts[index] = np.count_nonzero(a & b), np.count_nonzero(a), np.count_nonzero(b)
    return counts


def _dice(counts: np.ndarray, recipe: Recipe) -> dict[str, float]:
    names = recipe["data.classes"][1:]
    return {
        name: float(2 * both / (a + b)) if b else float("nan") for name, (both, a, b) in zip(names, counts, strict=True)
    }


def predicted_classes(logits: torch.Tensor, regions: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """Class of each voxel from logits (C, K, J, I): the largest, or from nested sigmoid regions, outermost first."""
    from PreopReviewLib.models.scan_windows import nested_values

    if regions is None:
        return logits.argmax(0).numpy().astype(np.uint8)
    classes = np.zeros(tuple(logits.shape[1:]), np.uint8)
    inner = np.ones(classes.shape, bool)
    for channel, value in enumerate(nested_values(regions)):
        inner &= logits[channel].numpy() > 0
        classes[inner] = value
    return classes
