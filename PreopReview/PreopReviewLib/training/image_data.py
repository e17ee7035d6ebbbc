"""Patches of labeled images, by number: read, checked, brought to the recipe's grid, cropped, augmented."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.datasets.layout import Case, DataSet, find_data_set
from PreopReviewLib.errors import GeometryError, TrainingError
from PreopReviewLib.models.preprocessing import network_grid, normalize, spacing_of
from PreopReviewLib.phantoms.tissues import UNSCORED
from PreopReviewLib.training.augmentation import augment
from PreopReviewLib.training.phantom_data import Sample
from PreopReviewLib.training.recipe import Recipe

NESTED_IN_LIVER = ("tumor", "cyst", "portal_vein", "hepatic_vein", "bile_duct")
KEPT_CASES = 24


def image_source(recipe: Recipe, path: Path, part: str) -> ImageSource:
    """The training or validation part of a data set: every fifth case, at least one, is for validation.

    Raises:
        TrainingError: labels that the recipe does not know, or a class of the recipe that no case has.
    """
    data = find_data_set(path)
    mapping = _mapping(recipe, data)
    cases = [c for n, c in enumerate(data.cases) if (n % 5 == 0) == (part == "validation")]
    source = ImageSource(recipe, cases, mapping, data.values, training=part == "training")
    if part == "training":
        source.check()
    return source


def _mapping(recipe: Recipe, data: DataSet) -> dict[int, int]:
    """Label value to class index; with liver channels, "liver" is the background inside the mask."""
    classes = list(recipe["data.classes"])
    mapping = {0: 0}
    unknown = []
    for name, value in data.values.items():
        name = {"tumor": "tumor"}.get(name, name)
        if name in classes:
            mapping[value] = classes.index(name)
        elif name in ("background", "ignore") or (name == "liver" and _liver_channels(recipe)):
            mapping[value] = UNSCORED if name == "ignore" else 0
        else:
            unknown.append(name)
    if unknown:
        raise TrainingError(
            f"The recipe {recipe.name} has no class for the labels {', '.join(unknown)}",
            f"Its classes are {', '.join(classes)}",
        )
    return mapping


def _liver_channels(recipe: Recipe) -> bool:
    return recipe["data.kind"] == "phantoms"


@dataclass
class ImageSource:
    """Numbered patches of the cases of a data set.

    Attributes:
        cases: of this part.
        mapping: label value to class index.
        values: label names to values.
        training: augment and draw at random, rather than the middle of each case.
    """

    recipe: Recipe
    cases: list[Case]
    mapping: dict[int, int]
    values: dict[str, int]
    training: bool
    _kept: OrderedDict = field(default_factory=OrderedDict)

    def check(self) -> None:
        """Read every case once: geometry, label values, and a voxel of each class somewhere.

        Raises:
            TrainingError, GeometryError: naming the case.
        """
        seen: set[int] = set()
        for case in self.cases:
            labels = images.read_labels(case.labels)
            if not images.onto_grid(labels, images.read_image(case.image)).exact:
                raise GeometryError(
                    f"Image and labels of {case.name} do not share a grid", "Resample the labels to the image"
                )
            found = set(np.unique(images.array_of(labels)).tolist())
            strange = sorted(found - set(self.mapping))
            if strange:
                raise TrainingError(
                    f"The labels of {case.name} hold the values {strange}, which dataset.json does not name",
                    "Correct the labels or the list",
                )
            seen |= {self.mapping[value] for value in found}
        classes = self.recipe["data.classes"]
        absent = [name for index, name in enumerate(classes) if index not in seen and name in self.values]
        if absent:
            raise TrainingError(
                f"No training case has a voxel of {', '.join(absent)}", "Add a case, or leave the class out of the list"
            )

    def sample(self, number: int) -> Sample:
        """Patch `number`: of case number modulo the cases, in an order that changes every round."""
        rng = np.random.default_rng([self.recipe["training.seed"], int(self.training), number])
        turn, place = divmod(number, len(self.cases))
        order = np.random.default_rng([self.recipe["training.seed"], 2, turn]).permutation(len(self.cases))
        shown, target = self._prepared(self.cases[order[place]])
        patch = self.recipe["data.patch"]
        shown, target = _cut(rng, shown, target, patch, self.recipe.get("data.foreground", 0.67), self.training)
        if self.training:
            shown, target = augment(rng, shown, target, self.recipe.get("data.augmentation", {}))
        return np.ascontiguousarray(shown, np.float32), np.ascontiguousarray(target)

    def _prepared(self, case: Case) -> Sample:
        if case.name not in self._kept:
            if len(self._kept) >= KEPT_CASES:
                self._kept.popitem(last=False)
            self._kept[case.name] = self._read(case)
        return self._kept[case.name]

    def _read(self, case: Case) -> Sample:
        spacing = spacing_of(self.recipe["data.spacing_mm"])
        image = images.read_image(case.image)
        labels = sitk.DICOMOrient(images.onto_grid(images.read_labels(case.labels), image).labels, "LPS")
        image = network_grid(image, spacing)
        labels = images.resample_to(labels, image, "nearest")
        values, label = images.array_of(image).astype(np.float32), images.array_of(labels)
        target = np.zeros(label.shape, np.uint8)
        for value, index in self.mapping.items():
            target[label == value] = index
        if not _liver_channels(self.recipe):
            return normalize(values, self.recipe.get("data.intensity", {"kind": "zscore"}))[None], target
        return self._inside_liver(case, values, label, target, spacing)

    def _inside_liver(
        self, case: Case, values: np.ndarray, label: np.ndarray, target: np.ndarray, spacing: tuple[float, ...]
    ) -> Sample:
        from PreopReviewLib.models.liver_channels import DISTANCE_UNIT_MM, REACH_MM, liver_channels

        if "liver" not in self.values:
            raise TrainingError("The data set has no label named liver", "Networks inside a liver need its mask")
        named = [v for k, v in self.values.items() if k == "liver" or k in NESTED_IN_LIVER]
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


def _cut(
    rng: np.random.Generator,
    shown: np.ndarray,
    target: np.ndarray,
    patch: tuple[int, int, int],
    foreground: float,
    random: bool,
) -> Sample:
    """A patch, padded by reflection where the image is smaller than it."""
    short = [max(0, p - n) for p, n in zip(patch, target.shape, strict=True)]
    if any(short):
        pad = [(s // 2, s - s // 2) for s in short]
        shown = np.pad(shown, [(0, 0), *pad], mode="symmetric")
        target = np.pad(target, pad, constant_values=UNSCORED)
    classes = np.unique(target[(target > 0) & (target != UNSCORED)])
    center = np.array(target.shape) // 2
    if random and len(classes) and rng.random() < foreground:
        voxels = np.flatnonzero(target == rng.choice(classes))
        center = np.array(np.unravel_index(voxels[rng.integers(len(voxels))], target.shape))
    elif random:
        center = np.array([rng.integers(n) for n in target.shape])
    start = [int(np.clip(c - p // 2, 0, n - p)) for c, p, n in zip(center, patch, target.shape, strict=True)]
    box = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
    return shown[(slice(None), *box)], target[box]
