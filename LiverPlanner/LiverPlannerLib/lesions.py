"""Tumors and cysts one by one: connected regions, and apart where a file holds them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.evaluation.regions import NumberedRegions, number_regions
from PreopReviewLib.images.geometry import Slices
from PreopReviewLib.worker_io import load_image, unsaved


@dataclass(frozen=True)
class DrawnLesions:
    """Lesions that a file holds as segments or values of their own, so that two that touch stay two.

    Attributes:
        numbers: whole numbers on the grid of the labels: which lesion of the file a voxel belongs to; 0 where none.
        names: by number, what the file calls it.
    """

    numbers: sitk.Image
    names: dict[int, str] = field(default_factory=dict)

    @property
    def array(self) -> np.ndarray:
        """The numbers (K, J, I)."""
        return images.array_of(self.numbers)

    def cropped(self, box: images.Box) -> DrawnLesions:
        """Those in a box."""
        return replace(self, numbers=images.crop(self.numbers, box))


def regions_of(labels: sitk.Image, key: str, drawn: DrawnLesions | None = None) -> NumberedRegions:
    """The lesions of a structure, numbered by decreasing size; see `number_regions`.

    Args:
        labels: values of the table of structures.
        key: ``tumor`` or ``cyst``.
        drawn: on the same grid.
    """
    return number_regions(images.array_of(labels) == structure(key).label, drawn.array if drawn else None)


def numbered_regions(
    labels: sitk.Image, key: str, drawn: DrawnLesions | None = None
) -> list[tuple[Slices, np.ndarray]]:
    """The lesions of a structure by decreasing size: box (K, J, I), and bool of the box."""
    regions = regions_of(labels, key, drawn)
    return [regions.mask(number) for number in range(1, len(regions) + 1)]


def name_of(drawn: DrawnLesions | None, region: tuple[Slices, np.ndarray]) -> str:
    """What the file calls a lesion, given as box and mask of the box (K, J, I); empty where it has no name."""
    if drawn is None:
        return ""
    box, mask = region
    return drawn.names.get(int(drawn.array[box][mask][0]), "")


def drawn_request(drawn: DrawnLesions | None, key: str = "drawn") -> dict[str, Any]:
    """What a request to the worker says of lesions held apart; nothing where there are none."""
    if drawn is None:
        return {}
    return {key: unsaved(drawn.numbers, key), f"{key}_names": {str(n): name for n, name in drawn.names.items()}}


def requested_lesions(parameters: Mapping[str, Any], folder: Path, key: str = "drawn") -> DrawnLesions | None:
    """The lesions of `drawn_request`, in the worker."""
    if key not in parameters:
        return None
    names = {int(n): name for n, name in parameters[f"{key}_names"].items()}
    return DrawnLesions(load_image(folder, parameters[key]), names)
