"""What a run does, whatever its recipe is for: samples by number, a loss, a look at the validation cases.

The loop (`fit`) knows nothing else of segmentation or classification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.progress import CancelToken, Progress, silent
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Sample = tuple[np.ndarray, np.ndarray]
PHANTOMS, PAINTED = "phantoms", "painted"

_TASKS = {
    "phantoms": "PreopReviewLib.training.phantom_task",
    "painted": "PreopReviewLib.training.painted_task",
    "images": "PreopReviewLib.training.image_task",
    "labeled-shoulders": "RotatorCuffCAMLib.training.task",
}
"""By the recipe's `data.kind`, the module whose `open_task` makes its task."""


@dataclass
class RunSettings:
    """How one `preop train` goes on, beside the recipe.

    Attributes:
        data: "phantoms", a folder of labeled images, or a table of images with classes.
        shapes: `FILE:LABEL` liver masks for phantoms.
        minutes: stop (with a checkpoint) after so long; None runs to the recipe's last iteration.
        device: "auto", "cpu" or "cuda".
        workers: processes that make samples; 0 = in the training process.
        threads: CPU threads of the network.
        save_every: seconds between checkpoints.
        initial: state dict to start from (fine-tuning).
        start: of which package it is (`fine_tuning.told_of`).
        fold: of the data set's split, from 0; None where it has only one.
        scans: `IMAGE:LABELS:VALUES` of labeled CTs for painted data.
    """

    data: str = PHANTOMS
    shapes: Sequence[str] = ()
    minutes: float | None = None
    device: str = "auto"
    workers: int = 1
    threads: int = 1
    save_every: float = 60.0
    initial: dict[str, Any] | None = None
    start: dict[str, Any] | None = None
    fold: int | None = None
    scans: Sequence[str] = ()


class Source(Protocol):
    """Numbered samples; the same number always gives the same sample."""

    def sample(self, number: int) -> Sample: ...


class Task(Protocol):
    """One recipe on one data set.

    Attributes:
        source: of training samples.
        samples_per_epoch: of one pass over the training cases; 0 where samples never end.
        facts: about the data, for checkpoints and cards: plain values only.
    """

    source: Source
    samples_per_epoch: int
    facts: Mapping[str, Any]

    def loss(self, network: nn.Module, output: Any, target: Tensor) -> Tensor:
        """The loss of a batch's output, of any shape that the task's network has."""
        ...

    def validate(
        self, network: nn.Module, device: torch.device, progress: Progress, cancel: CancelToken
    ) -> dict[str, float]:
        """Scores of a network in evaluation mode by name, the one that chooses the checkpoint first; {} without
        validation cases."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a run is, and what an earlier part of it used.

    Attributes:
        run: folder of the run.
        facts: of the checkpoint that the run goes on from; None for a new run.
    """

    run: Path
    facts: Mapping[str, Any] | None = None


def open_task(
    recipe: Recipe,
    settings: RunSettings,
    place: Place,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Task:
    """The task that a recipe and the data of a run make; cases are prepared on the way.

    Raises:
        InputError, TrainingError: data that the recipe cannot be trained on.
        OutputError: no room for prepared cases.
    """
    kind = recipe["data.kind"]
    if kind == PHANTOMS and settings.data != PHANTOMS:
        kind = "images"
    if kind not in (PHANTOMS, PAINTED) and settings.data == PHANTOMS:
        raise InputError(f"The recipe {recipe.name} is for labeled images", "Give their folder", "data")
    if kind not in (PHANTOMS, PAINTED) and settings.shapes:
        raise InputError("Shapes of livers are for phantoms only, not for images", "Leave them out")
    if kind != PAINTED and settings.scans:
        raise InputError("Labeled CTs go with recipes whose data are painted", "Leave them out")
    return import_module(_TASKS[kind]).open_task(recipe, settings, place, progress, cancel or CancelToken())
