"""Label arrays looked at slice by slice: on a whole scan numpy's own functions make copies of 64 bits, or sort it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from PreopReviewLib.images.geometry import Slices, box_of


def label_counts(array: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """How many voxels have each value 0, 1, …; at least 256 entries.

    Args:
        array: (K, J, I), whole numbers from 0 on.
        where: bool of the same shape: only those count.
    """
    counts = np.zeros(256, np.int64)
    for k, plane in enumerate(array):
        in_plane = np.bincount(plane.ravel() if where is None else plane[where[k]])
        if len(in_plane) > len(counts):
            counts = np.pad(counts, (0, len(in_plane) - len(counts)))
        counts[: len(in_plane)] += in_plane
    return counts


def label_values(array: np.ndarray) -> list[int]:
    """The values of a label array (K, J, I), rising; with 0 where it has any."""
    return np.flatnonzero(label_counts(array)).tolist()


def among(array: np.ndarray, values: Iterable[int]) -> np.ndarray:
    """Bool (K, J, I): whether a voxel of a label array has one of the values."""
    wanted = [v for v in sorted(set(values)) if v <= np.iinfo(array.dtype).max]
    mask = np.zeros(array.shape, bool)
    for k, plane in enumerate(array):
        for value in wanted:
            mask[k] |= plane == value
    return mask


def looked_up(table: np.ndarray, array: np.ndarray) -> np.ndarray:
    """`table[array]` (K, J, I): the entry of each voxel's number."""
    mapped = np.empty(array.shape, table.dtype)
    for k, plane in enumerate(array):
        mapped[k] = table[plane]
    return mapped


def value_boxes(array: np.ndarray) -> dict[int, Slices]:
    """The smallest box around each value of a label array (K, J, I) but 0, by rising value."""
    from scipy.ndimage import find_objects

    whole = box_of(array != 0)
    if whole is None:
        return {}
    return {
        value: tuple(slice(s.start + w.start, s.stop + w.start) for s, w in zip(box, whole, strict=True))  # type: ignore[misc]
        for value, box in enumerate(find_objects(array[whole]), 1)
        if box is not None
    }


def centroid_of(mask: np.ndarray) -> np.ndarray:
    """The mean place (K, J, I) of a mask's voxels, in voxels."""
    along = (np.array([np.count_nonzero(plane) for plane in np.moveaxis(mask, a, 0)], float) for a in range(3))
    return np.array([np.arange(len(n)) @ n / n.sum() for n in along])


def middle_voxel(mask: np.ndarray, spacing: np.ndarray) -> tuple[int, int, int]:
    """The voxel of a mask (K, J, I) nearest to the mask's centroid, so that it never lies outside.

    Args:
        spacing: mm, K-J-I.
    """
    center = centroid_of(mask)
    squares = [((np.arange(n) - c) * s) ** 2 for n, c, s in zip(mask.shape, center, spacing, strict=True)]
    best, place = np.inf, (0, 0, 0)
    for k in np.argsort(squares[0], kind="stable"):
        if squares[0][k] >= best:
            break
        rows, columns = np.nonzero(mask[k])
        if len(rows):
            away = squares[0][k] + squares[1][rows] + squares[2][columns]
            n = int(away.argmin())
            if away[n] < best:
                best, place = float(away[n]), (int(k), int(rows[n]), int(columns[n]))
    return place
