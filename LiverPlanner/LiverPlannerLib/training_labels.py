"""Label files of any origin as labels to train on; named by `PreopReviewLib.datasets`, which knows no anatomy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.ground_truth.export import label_values, training_labels
from LiverPlannerLib.labels import parse_mapping, read_labels
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib import images

__all__ = ["label_values", "read_for_training", "training_labels"]


def read_for_training(path: Path, mapping: str | None) -> tuple[sitk.Image, list[str], list[str]]:
    """Labels with the values of the table of structures, the keys of those that have a voxel, and notes.

    Args:
        mapping: what the values mean, e.g. ``liver=5,tumor=6``; None leaves it to the file.

    Raises:
        InputError: nothing says what the values are, or none of them is a structure of the liver.
    """
    labels = read_labels(path, parse_mapping(mapping) if mapping else None)
    present = set(np.unique(images.array_of(labels.labels)).tolist())
    notes = [*labels.notes]
    if labels.unknown:
        notes.append(f"Left out, because they are not structures of the liver: {', '.join(labels.unknown)}.")
    return labels.labels, [s.key for s in STRUCTURES if s.label in present], notes
