"""How long a recipe trains and at which rate: epochs are passes over the training cases, however many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PreopReviewLib.errors import TrainingError
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Schedule:
    """A recipe's schedule for a certain data set.

    Attributes:
        iterations: steps of the optimizer in all.
        every: steps from one validation to the next; 0 validates at the end only.
        steps_per_epoch: of one pass over the training cases; NaN where samples never end.
    """

    iterations: int
    every: int
    steps_per_epoch: float


def schedule_of(recipe: Recipe, samples_per_epoch: float) -> Schedule:
    """The schedule in steps.

    Where the recipe says `schedule.iterations`, it and `validation.every` count steps; else both count epochs.

    Args:
        samples_per_epoch: what one pass over the training cases gives this process; 0 where samples never end.

    Raises:
        TrainingError: epochs of samples that never end.
    """
    iterations, every = recipe.get("schedule.iterations"), recipe["validation.every"]
    steps = samples_per_epoch / recipe["data.batch"] if samples_per_epoch else math.nan
    if iterations is not None:
        return Schedule(iterations, every, steps)
    if not samples_per_epoch:
        raise TrainingError(f"The recipe {recipe.name} counts epochs, but its samples never end", "Give iterations")
    return Schedule(
        max(1, math.ceil(recipe["schedule.epochs"] * steps)), max(1, round(every * steps)) if every else 0, steps
    )


def learning_rate(recipe: Recipe, schedule: Schedule, iteration: int) -> float:
    """The rate of a step.

    Linear warm-up, constant, then a half cosine to one hundredth from the share `decay_from` on; or, where the recipe
    says `schedule.drop_at`, one fall to `optimizer.late_rate` after that many epochs.
    """
    top, total = recipe["optimizer.learning_rate"], schedule.iterations
    drop = recipe.get("schedule.drop_at")
    if drop is not None:
        return recipe["optimizer.late_rate"] if iteration >= math.ceil(drop * schedule.steps_per_epoch) else top
    warmup, start = recipe["schedule.warmup"], recipe["schedule.decay_from"] * total
    rate = top * min(1.0, (iteration + 1) / max(1, warmup))
    if iteration > start:
        done = min(1.0, (iteration - start) / max(1.0, total - start))
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
    return rate


def build_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer that a recipe names.

    `weight_decay` acts on all weights; with `decay_biases: false` on all but biases.

    Raises:
        TrainingError: it does not take the recipe's arguments.
    """
    import torch

    name, arguments = recipe["optimizer.name"], dict(recipe["optimizer.arguments"])
    groups: list = list(network.parameters())
    if not arguments.pop("decay_biases", True):
        plain = [p for n, p in network.named_parameters() if n.endswith("bias")]
        decayed = [p for n, p in network.named_parameters() if not n.endswith("bias")]
        groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    try:
        return getattr(torch.optim, name)(groups, lr=recipe["optimizer.learning_rate"], **arguments)
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"{name} does not take optimizer.arguments {arguments} ({error})", "Correct them"
        ) from error
