"""Segmentation learned from labeled images: a split data set, prepared cases, whole validation cases."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.datasets.layout import Case, DataSet, find_data_set
from PreopReviewLib.datasets.splitting import FILE, read_split, split_by_counts
from PreopReviewLib.errors import InputError, TrainingError
from PreopReviewLib.progress import CancelToken, Progress, within
from PreopReviewLib.training.cache import CaseCache
from PreopReviewLib.training.image_data import ImageSource, Preparation, class_mapping, require_every_class
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.segmentation_loss import SegmentationLoss
from PreopReviewLib.training.task import Place, RunSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

PREPARED = "prepared"
"""Folder of prepared cases, in the data folder, or in the run's where the data's cannot be written to."""


def open_task(
    recipe: Recipe, settings: RunSettings, place: Place, progress: Progress, cancel: CancelToken
) -> ImageTask:
    """See `task.open_task`."""
    data = find_data_set(Path(settings.data))
    if not data.values:
        raise TrainingError(
            f"{settings.data} has classes of images, and {recipe.name} learns from labels", "Choose another recipe"
        )
    mapping = class_mapping(recipe, data)
    facts = place.facts or chosen_cases(recipe, settings, data)
    training, validation = (data.named(list(facts[part])) for part in ("training", "validation"))
    validation = validation[: recipe["validation.cases"]]
    prepare = Preparation(recipe, mapping, data.values)
    cache = CaseCache(cache_folder(Path(settings.data), place.run), prepare.settings(), prepare)
    cache.fill([*training, *validation], within(progress, 0.0, 1.0), cancel)
    require_every_class(recipe, data, training, cache)
    return ImageTask(recipe, ImageSource(recipe, training, cache), validation, facts)


def chosen_cases(recipe: Recipe, settings: RunSettings, data: DataSet) -> dict[str, Any]:
    """Which cases a new run trains on and is checked with, and what the data are, for checkpoint and card.

    Where the data set was not split, a fifth of the patients is for validation, chosen by the recipe's seed.

    Raises:
        InputError: a fold of a data set that was not split, or one that it does not have.
    """
    folder = Path(settings.data) if Path(settings.data).is_dir() else Path(settings.data).parent
    if (folder / FILE).is_file():
        split = read_split(folder)
    elif settings.fold is not None:
        raise InputError(f"{folder} is not split into folds", "Split it with preop data split")
    else:
        patients = len({c.patient for c in data.cases})
        held = max(1, patients // 5)
        split = split_by_counts(data, (patients - held, held, 0), recipe["training.seed"], "not split before")
    fold = split.fold(settings.fold)
    for part in ("training", "validation"):
        data.named(fold[part])
    if not fold["training"]:
        raise TrainingError("The split has no case for training", "Split the data set again")

    def patients_of(names: Sequence[str]) -> int:
        return len({c.patient for c in data.named(list(names))})

    return {
        **{part: list(names) for part, names in fold.items()},
        "training_patients": patients_of(fold["training"]),
        "validation_patients": patients_of(fold["validation"]),
        "test_cases": len(split.test),
        "fold": settings.fold if settings.fold is not None else 0,
        "folds": len(split.folds),
        "split": split.how,
        "simulated": data.simulated,
        "modality": data.modality,
    }


def cache_folder(data: Path, run: Path) -> Path:
    """Where prepared cases are kept: beside the data, so that folds and later runs share them."""
    folder = data if data.is_dir() else data.parent
    return (folder if os.access(folder, os.W_OK) else run) / PREPARED


class ImageTask:
    """See `task.Task`."""

    def __init__(
        self, recipe: Recipe, source: ImageSource, validation: Sequence[Case], facts: Mapping[str, Any]
    ) -> None:
        self.recipe, self.source, self.validation, self.facts = recipe, source, list(validation), facts
        self.samples_per_epoch = source.samples_per_epoch
        self.loss = SegmentationLoss(recipe)

    def validate(
        self, network: nn.Module, device: torch.device, progress: Progress, cancel: CancelToken
    ) -> dict[str, float]:
        """The mean Dice over the classes, then that of each: means over whole cases that have the class."""
        from PreopReviewLib.training.evaluate import case_dice, mean_scores

        scores = []
        for number, case in enumerate(self.validation):
            cancel.raise_if_cancelled()
            progress(number / len(self.validation), f"Validation case {number + 1} of {len(self.validation)}")
            scores.append(case_dice(network, self.source.cache.read(case), self.recipe, device))
        return mean_scores(scores, self.recipe["data.classes"][1:])
