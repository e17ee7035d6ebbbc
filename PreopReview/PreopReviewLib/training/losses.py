"""Losses of the recipes, by name. Logits and probabilities are (N, C, K, J, I), targets class numbers (N, K, J, I)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.tissues import UNSCORED

Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(name: str, arguments: Mapping[str, Any]) -> Loss:
    """A loss of logits (N, C, K, J, I) and targets (N, K, J, I) with class indices, UNSCORED left out.

    Raises:
        InputError: unknown name, or arguments that the loss does not have.
    """
    import inspect

    known = {"region": region_loss, "dice": soft_dice_loss, "nested": nested_loss}
    if name not in known:
        raise InputError(f"Unknown loss: {name!r}", f"Choose from {', '.join(known)}")
    parameters = inspect.signature(known[name]).parameters
    unknown = sorted(set(arguments) - set(parameters) | {"logits", "target"} & set(arguments))
    needed = [k for k, p in parameters.items() if p.default is p.empty and k not in ("logits", "target")]
    lacking = [k for k in needed if k not in arguments]
    if unknown or lacking:
        what = f"has no argument {', '.join(unknown)}" if unknown else f"needs {', '.join(lacking)}"
        raise InputError(f"The loss {name} {what}", "Correct loss.arguments of the recipe")
    return lambda logits, target: known[name](logits, target, **arguments)


def region_loss(
    logits: Tensor,
    target: Tensor,
    weights: Sequence[float],
    cross_entropy: float = 1.0,
    dice: float = 1.0,
    cl_dice: float = 0.0,
    cl_classes: Sequence[int] = (),
) -> Tensor:
    """Weighted cross-entropy plus Dice over the classes present in the batch, and clDice of tubular classes.

    clDice: Shit et al., CVPR 2021.
    """
    scored = target != UNSCORED
    known = torch.where(scored, target, 0).long()
    weight = torch.tensor(weights, device=logits.device, dtype=torch.float32)
    logits = logits.float()
    each = functional.cross_entropy(logits, known, weight=weight, reduction="none")
    total = cross_entropy * (each * scored).sum() / scored.sum().clamp(min=1)
    probabilities = logits.softmax(1) * scored[:, None]
    truth = _one_hot(known, logits.shape[1]) * scored[:, None]
    total = total + dice * _dice_of_present(probabilities, truth)
    if cl_dice and cl_classes:
        chosen = list(cl_classes)
        total = total + cl_dice * cl_dice_loss(probabilities[:, chosen], truth[:, chosen])
    return total


def soft_dice_loss(logits: Tensor, target: Tensor, background: bool = False) -> Tensor:
    """Mean soft Dice over all classes (Oh 2023: "Dice loss"), each sample by itself."""
    scored = (target != UNSCORED)[:, None]
    probabilities = logits.float().softmax(1) * scored
    truth = _one_hot(torch.where(scored[:, 0], target, 0).long(), logits.shape[1]) * scored
    first = 0 if background else 1
    axes = (2, 3, 4)
    both = 2 * (probabilities * truth).sum(axes) + 1e-5
    either = probabilities.sum(axes) + truth.sum(axes) + 1e-5
    return (1 - both / either)[:, first:].mean()


def nested_loss(logits: Tensor, target: Tensor, regions: Sequence[Sequence[int]], background: bool = False) -> Tensor:
    """½ binary cross-entropy + ½ Dice of nested sigmoid regions (Lin 2024, formula 1).

    Args:
        regions: for each output channel, the classes that it holds (liver: parenchyma and tumor).
        background: what the outermost region leaves is one more class of the Dice, as the paper counts (C = 3).
    """
    scored = (target != UNSCORED)[:, None].float()
    truth = torch.stack([torch.isin(target, torch.tensor(r, device=target.device)) for r in regions], 1).float()
    logits = logits.float()
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (each * scored).sum() / (scored.sum() * logits.shape[1]).clamp(min=1)
    probabilities = logits.sigmoid()
    if background:
        probabilities, truth = (
            torch.cat([1 - probabilities[:, :1], probabilities], 1),
            torch.cat([1 - truth[:, :1], truth], 1),
        )
    probabilities, truth = probabilities * scored, truth * scored
    axes = (0, 2, 3, 4)
    both = 2 * (probabilities * truth).sum(axes) + 1
    dice = 1 - both / (probabilities.sum(axes) + truth.sum(axes) + 1)
    return 0.5 * entropy + 0.5 * dice.mean()


def over_scales(loss: Loss, outputs: Sequence[Tensor], target: Tensor, weights: Sequence[float]) -> Tensor:
    """Deep supervision: the weighted sum of a loss over outputs of decreasing size (targets by nearest voxel)."""
    total = outputs[0].new_zeros((), dtype=torch.float32)
    for output, weight in zip(outputs, weights, strict=True):
        small = functional.interpolate(target[:, None].float(), output.shape[2:], mode="nearest")[:, 0]
        total = total + weight * loss(output, small.to(target.dtype))
    return total


def cl_dice_loss(probabilities: Tensor, truth: Tensor, steps: int = 4) -> Tensor:
    """1 - clDice of soft masks, by iterative soft skeletons."""
    skeleton_s, skeleton_t = soft_skeleton(probabilities, steps), soft_skeleton(truth, steps)
    precision = ((skeleton_s * truth).sum() + 1) / (skeleton_s.sum() + 1)
    recall = ((skeleton_t * probabilities).sum() + 1) / (skeleton_t.sum() + 1)
    return 1 - 2 * precision * recall / (precision + recall)


def soft_skeleton(mask: Tensor, steps: int) -> Tensor:
    """Soft morphological skeleton of (N, C, K, J, I) values in 0…1."""

    def erode(x: Tensor) -> Tensor:
        return -functional.max_pool3d(-x, 3, 1, 1)

    def opened(x: Tensor) -> Tensor:
        return functional.max_pool3d(erode(x), 3, 1, 1)

    skeleton = functional.relu(mask - opened(mask))
    for _ in range(steps):
        mask = erode(mask)
        rest = functional.relu(mask - opened(mask))
        skeleton = skeleton + functional.relu(rest - skeleton * rest)
    return skeleton


def _one_hot(target: Tensor, classes: int) -> Tensor:
    return functional.one_hot(target, classes).movedim(-1, 1).float()


def _dice_of_present(probabilities: Tensor, truth: Tensor) -> Tensor:
    axes = (0, 2, 3, 4)
    size = truth.sum(axes)
    both = 2 * (probabilities * truth).sum(axes) + 1
    dice = 1 - both / (probabilities.sum(axes) + size + 1)
    present = (size > 20).float()
    return (dice * present)[1:].sum() / present[1:].sum().clamp(min=1)
