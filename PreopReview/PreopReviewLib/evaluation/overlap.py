"""Overlap of two binary masks: counts, DSC, sensitivity, specificity, volumes, with every empty case stated.

Formulas: Oh 2023 and Lin 2024 (DSC). Masks are K-J-I arrays on one grid. What cannot be
computed is None and is shown as n/a; it is never 0, 1 or NaN by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.images.geometry import Slices, union_box

State = Literal["both", "both empty", "missed", "false positive"]
"""Whether both masks have voxels, none has, only the reference has, or only the prediction has."""


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of a prediction against a reference, and what follows from them.

    Attributes:
        true_positive, false_positive, false_negative: voxels.
        box_voxels, box_false_positive: size of the box in which specificity is computed and the false positives
            in it; 0 without a box.
        box_true_negative: voxels of the box that are in neither mask.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    box_voxels: int = 0
    box_false_positive: int = 0
    box_true_negative: int = 0

    @property
    def predicted(self) -> int:
        """Voxels of the prediction."""
        return self.true_positive + self.false_positive

    @property
    def expected(self) -> int:
        """Voxels of the reference."""
        return self.true_positive + self.false_negative

    @property
    def state(self) -> State:
        if self.predicted and self.expected:
            return "both"
        if self.expected:
            return "missed"
        return "false positive" if self.predicted else "both empty"

    @property
    def dsc(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where both masks are empty, 0 where one is."""
        total = self.predicted + self.expected
        return 1.0 if total == 0 else 2.0 * self.true_positive / total

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN); None without a reference."""
        return _ratio(self.true_positive, self.expected)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None without a prediction."""
        return _ratio(self.true_positive, self.predicted)

    @property
    def specificity(self) -> float | None:
        """TN / (TN + FP) inside the box; None without a box, or where the reference fills it.

        In the whole image it would be about 1 for every prediction, because nearly all of it is background.
        """
        return _ratio(self.box_true_negative, self.box_true_negative + self.box_false_positive)

    @property
    def relative_volume_difference(self) -> float | None:
        """(V_prediction - V_reference) / V_reference; None without a reference."""
        return _ratio(self.predicted - self.expected, self.expected)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def as_mask(array: np.ndarray, name: str) -> np.ndarray:
    """A boolean 3-D mask of an array with no value but 0 and 1.

    Raises:
        InputError: it is not 3-D, or holds other values (an image, probabilities or several labels).
    """
    if array.ndim != 3:
        raise InputError(f"The {name} has {array.ndim} dimensions, not 3", "Give one binary mask, K-J-I")
    if array.dtype == bool:
        return array
    mask = array != 0
    if array.size and not np.array_equal(mask, array):
        raise InputError(
            f"The {name} is not a binary mask: it has values other than 0 and 1",
            "Threshold probabilities, or choose one label",
        )
    return mask


def mask_pair(prediction: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as boolean masks.

    Raises:
        GeometryError: the shapes differ.
        InputError: one is not a binary mask.
    """
    if prediction.shape != reference.shape:
        raise GeometryError(
            f"The masks have different sizes: {prediction.shape} and {reference.shape} voxels (K-J-I)",
            "Resample one to the grid of the other",
        )
    return as_mask(prediction, "prediction"), as_mask(reference, "reference")


def overlap(prediction: np.ndarray, reference: np.ndarray, box: Slices | None = None) -> Overlap:
    """Counts of two binary masks on one grid.

    Args:
        prediction, reference: (K, J, I), boolean or 0 and 1.
        box: where specificity is computed, e.g. the box around the liver; without it there is none.

    Raises:
        GeometryError, InputError: as `mask_pair`.
    """
    prediction, reference = mask_pair(prediction, reference)
    near = union_box(prediction, reference)
    if near is None:
        counts = (0, 0, 0)
    else:
        a, b = prediction[near], reference[near]
        both = int(np.count_nonzero(a & b))
        counts = (both, int(np.count_nonzero(a)) - both, int(np.count_nonzero(b)) - both)
    if box is None:
        return Overlap(*counts)
    a, b = prediction[box], reference[box]
    in_reference, in_either = int(np.count_nonzero(b)), int(np.count_nonzero(a | b))
    return Overlap(*counts, a.size, in_either - in_reference, a.size - in_either)


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """The Dice similarity coefficient of two binary masks: 1 if both are empty, 0 if one is."""
    return overlap(prediction, reference).dsc
