"""Labeled cases as a network of a recipe sees them, and patches of them by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.datasets.layout import Case, DataSet, beside_liver, nested_in_liver
from PreopReviewLib.errors import GeometryError, TrainingError
from PreopReviewLib.models.preprocessing import body_box, network_grid, normalize, spacing_of
from PreopReviewLib.phantoms.tissues import UNSCORED
from PreopReviewLib.training.augmentation import augment
from PreopReviewLib.training.cache import CaseCache
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.task import PHANTOMS, Sample

KEPT_PLACES = 8192
"""Voxels of each class whose places are kept for drawing patches round them; drawn at random from all of them."""


def class_mapping(recipe: Recipe, data: DataSet) -> dict[int, int]:
    """Label value to class index.

    What is nested in the liver counts as liver where the recipe has no class for it, and what lies beside it as
    background. With liver channels, "liver" is the background inside the mask.

    Raises:
        TrainingError: labels that the recipe cannot place, or classes that the data set does not have.
    """
    classes = list(recipe["data.classes"])
    inside = inside_liver(recipe)
    mapping = {0: 0}
    unknown = []
    for name, value in data.values.items():
        if name in classes:
            mapping[value] = classes.index(name)
        elif name == "ignore":
            mapping[value] = UNSCORED
        elif name in ("background", *beside_liver()) or (name == "liver" and inside):
            mapping[value] = 0
        elif name in nested_in_liver() and (inside or "liver" in classes):
            mapping[value] = 0 if inside else classes.index("liver")
        else:
            unknown.append(name)
    if unknown:
        raise TrainingError(
            f"The recipe {recipe.name} has no class for the labels {', '.join(unknown)}",
            f"Its classes are {', '.join(classes)}",
        )
    lacking = [name for name in classes[1:] if name not in data.values]
    if lacking and not inside:
        raise TrainingError(
            f"The data set has no labels of {', '.join(lacking)}, which {recipe.name} is to learn",
            "Choose a recipe for the structures that it has, or add them",
        )
    return mapping


def inside_liver(recipe: Recipe) -> bool:
    """Whether the network is given the liver's mask beside the image, as those that learn from phantoms are."""
    return recipe["data.kind"] == PHANTOMS


@dataclass(frozen=True)
class Preparation:
    """From a case's files to the arrays of the cache.

    Attributes:
        mapping: label value to class index.
        values: label names to values.
    """

    recipe: Recipe
    mapping: Mapping[int, int]
    values: Mapping[str, int]

    def settings(self) -> dict[str, Any]:
        """Everything that the arrays depend on beside the case's files."""
        recipe = self.recipe
        return {
            "inside_liver": inside_liver(recipe),
            "spacing_mm": recipe["data.spacing_mm"],
            "intensity": recipe.get("data.intensity"),
            "crop": recipe.get("data.crop"),
            "mapping": sorted(self.mapping.items()),
            "liver": sorted(v for k, v in self.values.items() if k == "liver" or k in nested_in_liver()),
        }

    def __call__(self, case: Case) -> dict[str, np.ndarray]:
        """`image` (C, K, J, I) float16, `target` (K, J, I) uint8; and for each class, from 0 on, `places` of voxels
        (flat indices, one class after the other) with their `counts`.

        Raises:
            TrainingError, GeometryError: naming the case.
        """
        shown, target = self._prepared(case)
        rng = np.random.default_rng(0)
        places = []
        for index in range(len(self.recipe["data.classes"])):
            voxels = np.flatnonzero(target == index)
            places.append(np.sort(rng.choice(voxels, KEPT_PLACES, False)) if len(voxels) > KEPT_PLACES else voxels)
        return {
            "image": shown.astype(np.float16),
            "target": target,
            "places": np.concatenate(places).astype(np.int64),
            "counts": np.array([len(p) for p in places]),
        }

    def _prepared(self, case: Case) -> Sample:
        spacing = spacing_of(self.recipe["data.spacing_mm"])
        image = images.read_image(case.image)
        labels = self._labels(case, image)
        image = network_grid(image, spacing)
        labels = images.resample_to(labels, image, "nearest")
        values, label = images.array_of(image).astype(np.float32), images.array_of(labels)
        target = np.zeros(label.shape, np.uint8)
        for value, index in self.mapping.items():
            target[label == value] = index
        if inside_liver(self.recipe):
            return self._inside_liver(case, values, label, target, spacing)
        box = body_box(values, self.recipe.get("data.crop")).slices
        rule = self.recipe.get("data.intensity", {"kind": "zscore"})
        return normalize(values[box], rule)[None], np.ascontiguousarray(target[box])

    def _labels(self, case: Case, image: sitk.Image) -> sitk.Image:
        assert case.labels is not None
        moved = images.onto_grid(images.read_labels(case.labels), image)
        if not moved.exact:
            raise GeometryError(
                f"Image and labels of {case.name} do not share a grid", "Resample the labels to the image"
            )
        strange = sorted(set(np.unique(images.array_of(moved.labels)).tolist()) - set(self.mapping))
        if strange:
            raise TrainingError(
                f"The labels of {case.name} hold the values {strange}, which dataset.json does not name",
                "Correct the labels or the list",
            )
        return sitk.DICOMOrient(moved.labels, "LPS")

    def _inside_liver(
        self, case: Case, values: np.ndarray, label: np.ndarray, target: np.ndarray, spacing: tuple[float, ...]
    ) -> Sample:
        from PreopReviewLib.models.liver_channels import DISTANCE_UNIT_MM, REACH_MM, liver_channels

        if "liver" not in self.values:
            raise TrainingError("The data set has no label named liver", "Networks inside a liver need its mask")
        named = [v for k, v in self.values.items() if k == "liver" or k in nested_in_liver()]
        liver = np.isin(label, named)
        if not liver.any():
            raise TrainingError(f"The labels of {case.name} hold no liver", "Correct the labels")
        where = np.argwhere(liver)
        margin = int(np.ceil((REACH_MM + 4) / min(spacing)))
        low, high = np.maximum(where.min(0) - margin, 0), where.max(0) + margin + 1
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        shown = liver_channels(values[box], liver[box], spacing[0])
        target = target[box].copy()
        target[shown[1] < -REACH_MM / DISTANCE_UNIT_MM] = UNSCORED
        return shown, target


def require_every_class(recipe: Recipe, data: DataSet, cases: Sequence[Case], cache: CaseCache) -> None:
    """Raises TrainingError if no training case has a voxel of a class that the data set names."""
    classes = recipe["data.classes"]
    seen = np.sum([cache.read(case)["counts"] for case in cases], axis=0)
    absent = [name for name, count in zip(classes, seen, strict=True) if not count and name in data.values]
    if absent:
        raise TrainingError(
            f"No training case has a voxel of {', '.join(absent)}", "Add a case, or leave the class out of the list"
        )


@dataclass(frozen=True)
class ImageSource:
    """Numbered patches of prepared cases; an epoch goes through all of them, in an order that changes every time."""

    recipe: Recipe
    cases: Sequence[Case]
    cache: CaseCache

    @property
    def samples_per_epoch(self) -> int:
        """Patches of one pass over the cases."""
        return len(self.cases) * self.recipe.get("data.patches_per_case", 1)

    def sample(self, number: int) -> Sample:
        """Patch `number`: image (C, K, J, I) float32 and target (K, J, I) uint8."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe["training.seed"], 1, number])
        turn, place = divmod(number, self.samples_per_epoch)
        order = np.random.default_rng([recipe["training.seed"], 2, turn]).permutation(len(self.cases))
        kept = self.cache.read(self.cases[order[place // recipe.get("data.patches_per_case", 1)]])
        center = self._center(rng, kept)
        shown, target = cut_patch(kept["image"], kept["target"], recipe["data.patch"], center)
        shown, target = augment(rng, shown, target, recipe.get("data.augmentation", {}))
        return np.ascontiguousarray(shown, np.float32), np.ascontiguousarray(target)

    def _center(self, rng: np.random.Generator, kept: Mapping[str, np.ndarray]) -> Sequence[int]:
        """A voxel of a class drawn at random, or, for the rest of the patches, of the background or anywhere."""
        shape, counts = kept["target"].shape, np.asarray(kept["counts"])
        ends = np.cumsum(counts)
        present = [k for k in range(1, len(counts)) if counts[k]]
        chosen = None
        if present and rng.random() < self.recipe.get("data.foreground", 0.67):
            chosen = int(rng.choice(present))
        elif self.recipe.get("data.negatives", "anywhere") == "background" and counts[0]:
            chosen = 0
        if chosen is None:
            return [int(rng.integers(n)) for n in shape]
        flat = kept["places"][ends[chosen] - counts[chosen] + rng.integers(counts[chosen])]
        return [int(v) for v in np.unravel_index(flat, shape)]


def cut_patch(shown: np.ndarray, target: np.ndarray, patch: Sequence[int], center: Sequence[int]) -> Sample:
    """A patch of (C, K, J, I), as float32, and of (K, J, I) around a voxel, moved inside the image.

    It is mirrored where the image is smaller.
    """
    start = [max(0, min(c - p // 2, n - p)) for c, p, n in zip(center, patch, target.shape, strict=True)]
    box = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
    image, labels = np.asarray(shown[(slice(None), *box)], np.float32), np.asarray(target[box])
    short = [max(0, p - n) for p, n in zip(patch, target.shape, strict=True)]
    if any(short):
        pad = [(s // 2, s - s // 2) for s in short]
        image = np.pad(image, [(0, 0), *pad], mode="symmetric")
        labels = np.pad(labels, pad, constant_values=UNSCORED)
    return image, labels
