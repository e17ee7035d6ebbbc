"""Which voxels are one lesion: the one rule for reports, margins, features and comparisons.

A lesion is a 26-connected region. Where a file holds lesions one by one (`drawn`), two that touch stay two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from PreopReviewLib.images.geometry import Slices, box_of


@dataclass(frozen=True)
class NumberedRegions:
    """The regions of a mask.

    Attributes:
        box: (K, J, I) around the mask; None where it is empty.
        numbers: int32, of that box: 1, 2, … by decreasing size, 0 elsewhere; one voxel of 0 where there is no box.
        sizes: voxels by number; the first is 0.
        boxes: by number less 1, the box of each region in the whole image.
        shape: of the whole image.
    """

    box: Slices | None
    numbers: np.ndarray
    sizes: np.ndarray
    boxes: tuple[Slices, ...]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def mask(self, number: int, margin: int = 0) -> tuple[Slices, np.ndarray]:
        """A region: its box in the image, larger by `margin` voxels as far as the image reaches, and a mask of it."""
        assert self.box is not None  # there is a region
        own = self.boxes[number - 1]
        ends = zip(own, self.shape, strict=True)
        box = tuple(slice(max(s.start - margin, 0), min(s.stop + margin, n)) for s, n in ends)
        mask = np.zeros([s.stop - s.start for s in box], bool)
        mask[moved(own, [s.start for s in box])] = self.numbers[moved(own, [s.start for s in self.box])] == number
        return box, mask  # type: ignore[return-value]


def moved(box: Slices, start: Sequence[int]) -> Slices:
    """A box, counted from another first voxel."""
    return tuple(slice(s.start - n, s.stop - n) for s, n in zip(box, start, strict=True))  # type: ignore[return-value]


def number_regions(mask: np.ndarray, drawn: np.ndarray | None = None, minimum_voxels: int = 1) -> NumberedRegions:
    """The regions of a mask, numbered by decreasing size; of equal ones the first in the array comes first.

    Args:
        mask: (K, J, I), boolean or 0 and 1.
        drawn: (K, J, I), whole numbers: which of the lesions that were drawn one by one a voxel belongs to; 0 where
            that is not known. Regions end where it changes.
        minimum_voxels: smaller regions are left out.
    """
    import cc3d

    box = box_of(mask)
    if box is None:
        return NumberedRegions(None, np.zeros((1, 1, 1), np.int32), np.zeros(1, int), (), mask.shape)
    own = np.array(mask[box], np.uint8, order="C")
    if drawn is not None:
        own = np.where(own > 0, drawn[box].astype(np.uint32) + 1, 0).astype(np.uint32)
    pieces = cc3d.connected_components(own, connectivity=26)
    statistics = cc3d.statistics(pieces)
    sizes = statistics["voxel_counts"][1:].astype(np.int64)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= minimum_voxels]
    number = np.zeros(len(sizes) + 1, np.int32)
    number[order + 1] = np.arange(1, len(order) + 1)
    boxes = tuple(moved(statistics["bounding_boxes"][n + 1], [-s.start for s in box]) for n in order)
    return NumberedRegions(box, number[pieces], np.concatenate([[0], sizes[order]]), boxes, mask.shape)
