"""The tear classifier as a task of the training loop: shoulders as cubes, cut once, moved anew in each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.datasets.layout import LIST, Case, DataSet, find_data_set
from PreopReviewLib.errors import InputError, TrainingError
from PreopReviewLib.progress import CancelToken, Progress
from PreopReviewLib.training.cache import CaseCache
from PreopReviewLib.training.image_task import cache_folder, chosen_cases
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.task import Place, RunSettings, Sample
from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class
from RotatorCuffCAMLib.training.data import cube_of, read_cases

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

EDGE = 64


def open_task(
    recipe: Recipe, settings: RunSettings, place: Place, progress: Progress, cancel: CancelToken
) -> ShoulderTask:
    """See `PreopReviewLib.training.task.open_task`.

    Args:
        settings: its data are a folder of `preop data import`, or a table of images and classes, all for training.
    """
    if recipe["loss.name"] != "cross-entropy" or recipe["loss.arguments"]:
        raise InputError(f"The recipe {recipe.name} has another loss than a plain cross-entropy", "Correct loss.name")
    if list(recipe["data.patch"]) != [EDGE] * 3 or list(recipe["data.classes"]) != [c.key for c in TEAR_CLASSES]:
        raise InputError(f"The recipe {recipe.name} has other cubes or classes than the network", "Correct the recipe")
    path = Path(settings.data)
    if (path / LIST).is_file():
        data = find_data_set(path)
        if not data.classes:
            raise TrainingError(
                f"{path} has labels of structures, and {recipe.name} learns classes of images", "Choose another recipe"
            )
        facts = dict(place.facts or chosen_cases(recipe, settings, data))
    else:
        data = _of_table(path)
        names = [c.name for c in data.cases]
        facts = {"training": names, "validation": [], "training_patients": len(names), "simulated": None}
    training, validation = (data.named(list(facts[part])) for part in ("training", "validation"))
    held = {tear_class(c.label_class).index for c in training}
    lacking = [c.key for c in TEAR_CLASSES if c.index not in held]
    if lacking:
        raise TrainingError(f"No training case is {', '.join(lacking)}", "Every class needs cases to be learned")
    cache = CaseCache(cache_folder(path, place.run), {"cubes": EDGE}, _prepare)
    validation = validation[: recipe["validation.cases"]]
    cache.fill([*training, *validation], progress, cancel)
    return ShoulderTask(recipe, ShoulderSource(recipe, training, cache), validation, facts)


def _of_table(path: Path) -> DataSet:
    """The lines of a table as cases, named by their place in it."""
    read = read_cases(path)
    width = len(str(len(read)))
    cases = [
        Case(f"{n:0{width}d}", c.image, None, f"{n}", TEAR_CLASSES[c.class_index].key, c.center_ras)
        for n, c in enumerate(read, 1)
    ]
    if len(cases) < 2:
        raise TrainingError(f"{len(cases)} case is too few to train on", "Give more")
    return DataSet(cases, {}, tuple(c.key for c in TEAR_CLASSES))


def _prepare(case: Case) -> dict[str, np.ndarray]:
    return {"cube": cube_of(case.image, case.center_ras)}


@dataclass(frozen=True)
class ShoulderSource:
    """Numbered cubes, moved by some voxels; an epoch goes through all cases in an order of its own."""

    recipe: Recipe
    cases: Sequence[Case]
    cache: CaseCache

    def sample(self, number: int) -> Sample:
        """Cube (1, 64, 64, 64) float32 of 0 to 255, and its class ()."""
        seed, jitter = self.recipe["training.seed"], self.recipe["data.jitter_voxels"]
        turn, place = divmod(number, len(self.cases))
        case = self.cases[np.random.default_rng([seed, 2, turn]).permutation(len(self.cases))[place]]
        by = np.random.default_rng([seed, 1, number]).integers(-jitter, jitter + 1, 3)
        cube = shifted(np.asarray(self.cache.read(case)["cube"]), by)
        return cube[None].astype(np.float32), np.array(tear_class(case.label_class).index, np.int64)


class ShoulderTask:
    """See `PreopReviewLib.training.task.Task`."""

    def __init__(
        self, recipe: Recipe, source: ShoulderSource, validation: Sequence[Case], facts: Mapping[str, Any]
    ) -> None:
        self.recipe, self.source, self.validation, self.facts = recipe, source, list(validation), facts
        self.samples_per_epoch = len(source.cases)

    def loss(self, _network: nn.Module, output: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of logits (N, classes) and class numbers (N,)."""
        from torch.nn import functional

        return functional.cross_entropy(output.float(), target)

    def validate(
        self, network: nn.Module, device: torch.device, progress: Progress, cancel: CancelToken
    ) -> dict[str, float]:
        """Shares of whole validation cubes: right class, at most one class off, right about tear or none."""
        import torch

        if not self.validation:
            return {}
        true = np.array([tear_class(c.label_class).index for c in self.validation])
        predicted = np.empty_like(true)
        for number, case in enumerate(self.validation):
            cancel.raise_if_cancelled()
            progress(number / len(true), f"Validation case {number + 1} of {len(true)}")
            cube = torch.from_numpy(np.array(self.source.cache.read(case)["cube"], np.float32))[None, None]
            with torch.inference_mode():
                predicted[number] = int(network(cube.to(device))[0].argmax())
        return {
            "top1": float((predicted == true).mean()),
            "top1_within_1": float((abs(predicted - true) <= 1).mean()),
            "binary": float(((predicted > 0) == (true > 0)).mean()),
        }


def shifted(cube: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The cube (K, J, I) moved by whole voxels; what comes in is 0."""
    moved = np.zeros_like(cube)
    to = tuple(slice(max(b, 0), min(s, s + b)) for b, s in zip(by, cube.shape, strict=True))
    of = tuple(slice(max(-b, 0), min(s, s - b)) for b, s in zip(by, cube.shape, strict=True))
    moved[to] = cube[of]
    return moved
