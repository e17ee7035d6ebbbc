"""Masks kept in the box around their voxels, so that measuring after an edit costs what the structure is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from PreopReviewLib.images.geometry import Slices, box_of

Start = tuple[int, int, int]


@dataclass(frozen=True)
class BoxedMask:
    """A mask on an unlimited voxel lattice.

    Attributes:
        mask: (K, J, I) boolean; it has a voxel in each of its six outer slices, or no voxel at all.
        start: lattice index (K, J, I) of its first voxel; may be negative.
        count: voxels in it.
    """

    mask: np.ndarray = field(repr=False)
    start: Start
    count: int

    @property
    def stop(self) -> Start:
        """One beyond its last voxel."""
        return tuple(s + n for s, n in zip(self.start, self.mask.shape, strict=True))  # type: ignore[return-value]

    def same_as(self, other: BoxedMask) -> bool:
        """Whether both have the same voxels."""
        if self.count != other.count:
            return False
        return self.count == 0 or (self.start == other.start and np.array_equal(self.mask, other.mask))


EMPTY = BoxedMask(np.zeros((0, 0, 0), bool), (0, 0, 0), 0)


def boxed(mask: np.ndarray, start: Sequence[int] = (0, 0, 0)) -> BoxedMask:
    """The boxed mask of a boolean array (K, J, I) whose first voxel lies at `start`."""
    box = box_of(mask) if mask.size else None
    if box is None:
        return EMPTY
    inner = np.ascontiguousarray(mask[box])
    first = tuple(int(a + b.start) for a, b in zip(start, box, strict=True))
    return BoxedMask(inner, first, int(np.count_nonzero(inner)))  # type: ignore[arg-type]


def union(masks: Sequence[BoxedMask]) -> BoxedMask:
    """All voxels of several masks."""
    masks = [m for m in masks if m.count]
    if len(masks) < 2:
        return masks[0] if masks else EMPTY
    low, high = hull(masks)
    whole = np.zeros(np.subtract(high, low), bool)
    for m in masks:
        whole[_within(m, low)] |= m.mask
    return BoxedMask(whole, low, int(np.count_nonzero(whole)))


def hull(masks: Sequence[BoxedMask]) -> tuple[Start, Start]:
    """The first index and one beyond the last of the box around masks, of which one has a voxel at least."""
    filled = [m for m in masks if m.count]
    low = np.min([m.start for m in filled], axis=0)
    high = np.max([m.stop for m in filled], axis=0)
    return tuple(low.tolist()), tuple(high.tolist())


def common(a: BoxedMask, b: BoxedMask) -> int:
    """Voxels in both masks."""
    low, high = np.maximum(a.start, b.start), np.minimum(a.stop, b.stop)
    if not (a.count and b.count) or (high <= low).any():
        return 0
    return int(np.count_nonzero(a.mask[_cut(a, low, high)] & b.mask[_cut(b, low, high)]))


def both(a: BoxedMask, b: BoxedMask) -> BoxedMask:
    """The voxels in both masks."""
    low, high = np.maximum(a.start, b.start), np.minimum(a.stop, b.stop)
    if not (a.count and b.count) or (high <= low).any():
        return EMPTY
    return boxed(a.mask[_cut(a, low, high)] & b.mask[_cut(b, low, high)], low)


def dice(a: BoxedMask, b: BoxedMask) -> float:
    """2 |A ∩ B| / (|A| + |B|); 1 where both are empty."""
    total = a.count + b.count
    return 2.0 * common(a, b) / total if total else 1.0


def without(a: BoxedMask, b: BoxedMask) -> BoxedMask:
    """The voxels of `a` that are not in `b`."""
    low, high = np.maximum(a.start, b.start), np.minimum(a.stop, b.stop)
    if not (a.count and b.count) or (high <= low).any():
        return a
    rest = a.mask.copy()
    rest[_cut(a, low, high)] &= ~b.mask[_cut(b, low, high)]
    return boxed(rest, a.start)


def paint(array: np.ndarray, start: Sequence[int], m: BoxedMask, value: int) -> None:
    """Sets the voxels of a mask in an array (K, J, I) whose first voxel lies at `start`; the rest is left out."""
    low, high = np.maximum(m.start, start), np.minimum(m.stop, np.add(start, array.shape))
    if m.count and (high > low).all():
        target = array[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]
        target[m.mask[_cut(m, low, high)]] = value


def _within(m: BoxedMask, low: Sequence[int]) -> Slices:
    return tuple(slice(s - o, s - o + n) for s, o, n in zip(m.start, low, m.mask.shape, strict=True))  # type: ignore[return-value]


def _cut(m: BoxedMask, low: np.ndarray, high: np.ndarray) -> Slices:
    return tuple(slice(int(a - s), int(b - s)) for a, b, s in zip(low, high, m.start, strict=True))  # type: ignore[return-value]
