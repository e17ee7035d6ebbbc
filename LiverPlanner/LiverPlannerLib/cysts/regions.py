"""Independent regions of a lesion mask: labeling, eroded core, centroids.

A lesion mask fills a fraction of a percent of a CT, so everything after the labeling works on the list of its voxels,
not on the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PreopReviewLib.images.geometry import Slices, box_of

MIN_CORE = 8  # voxels; below that the core is the innermost third of the region
_NEIGHBORS = [(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) != (0, 0, 0)]


@dataclass
class Regions:
    """The voxels of all regions, sorted by their flat index.

    Attributes:
        shape: K-J-I shape of the whole image.
        mask: bool, the occupied box of the image with an empty layer around it.
        start: K-J-I place of the first voxel of `mask` in the image (may be -1).
        local: (n,) flat index of each lesion voxel in `mask`.
        index: (n,) its flat index in the image.
        ids: (n,) its region, from 0; region 0 is the largest.
        count: number of regions.
        centroids: (count, 3) mean voxel coordinate in the image, K-J-I.
        touching: whether two regions may have a face in common.
    """

    shape: tuple[int, int, int]
    mask: np.ndarray
    start: np.ndarray
    local: np.ndarray
    index: np.ndarray
    ids: np.ndarray
    count: int
    centroids: np.ndarray
    touching: bool = False

    @property
    def sizes(self) -> np.ndarray:
        """Voxels of each region."""
        return np.bincount(self.ids, minlength=self.count)

    def voxels(self, region: int) -> np.ndarray:
        """(m, 3) K-J-I voxels of one region in the image."""
        return np.stack(np.unravel_index(self.index[self.ids == region], self.shape), 1)


def find_regions(
    array: np.ndarray, values: tuple[int, ...] = (1,), box: Slices | None = None, drawn: np.ndarray | None = None
) -> Regions:
    """The 26-connected regions of the voxels that hold one of the values, largest first.

    Connectivity is not stated by Lin 2024; 26 keeps a lesion whole that is thin in one slice.

    Args:
        array: K-J-I integer array.
        values: the label values that count, together, as lesion.
        box: a box that holds all of them; found if not given.
        drawn: (K, J, I) which of the lesions that were drawn one by one a voxel belongs to, 0 where none: regions also
            end where it changes.
    """
    import cc3d

    box = box or box_of(array != 0) or (slice(0, 0),) * 3
    mask = np.pad(np.isin(array[box], values), 1)
    start = np.array([s.start - 1 for s in box])
    alike = mask if drawn is None else np.where(mask, np.pad(drawn[box].astype(np.uint32) + 1, 1), 0).astype(np.uint32)
    labels = cc3d.connected_components(alike, connectivity=26)
    local = np.flatnonzero(mask)
    numbers, first, of_voxel, sizes = np.unique(
        labels.reshape(-1)[local], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(numbers), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(numbers))
    ids = rank[of_voxel]
    places = np.stack(np.unravel_index(local, mask.shape)) + start[:, None]
    centroids = np.stack([np.bincount(ids, weights=axis, minlength=len(numbers)) for axis in places], 1)
    return Regions(
        shape=array.shape,
        mask=mask,
        start=start,
        local=local,
        index=np.ravel_multi_index(tuple(places), array.shape),
        ids=ids,
        count=len(numbers),
        centroids=centroids / np.bincount(ids, minlength=len(numbers))[:, None],
        touching=drawn is not None,
    )


def core_voxels(regions: Regions) -> np.ndarray:
    """Which voxels are the core of their region: the region eroded by one voxel (6-neighborhood).

    Decided on instead of the whole, because the outermost layer of an over-drawn lesion is partly parenchyma.
    Where erosion leaves fewer than 8 voxels, the core is the third of the voxels that have the most neighbors
    in their region. Voxels beyond the image count as outside.

    Returns:
        (n,) bool, along `regions.local`.
    """
    solid, at, ids = regions.mask.reshape(-1), regions.local, regions.ids
    _, rows, pitch = regions.mask.shape
    inner, hit, near = np.ones(len(ids), bool), np.empty(len(ids), bool), np.empty_like(at)
    owner = None
    if regions.touching:
        owner = np.full(solid.size, -1, ids.dtype)
        owner[at] = ids
    for step in (1, pitch, rows * pitch):  # neighbors by a face are of the same region, unless regions touch
        for towards in (np.add, np.subtract):
            solid.take(towards(at, step, out=near), out=hit, mode="clip")  # the margin keeps all in range
            inner &= hit
            if owner is not None:
                inner &= owner[near] == ids
    thin = np.bincount(ids[inner], minlength=regions.count) < MIN_CORE
    if thin.any():
        of_thin = np.flatnonzero(thin[ids])
        inner[of_thin] = _innermost_third(regions, of_thin)
    return inner


def _innermost_third(regions: Regions, places: np.ndarray) -> np.ndarray:
    _, rows, pitch = regions.mask.shape
    solid, ids, at = regions.mask.reshape(-1), regions.ids[places], regions.local[places]
    neighbors = np.zeros(len(places), np.int64)
    for step in _NEIGHBORS:
        near = 4 - sum(map(abs, step))  # faces count most, corners least
        neighbors += near * solid[at + (step[0] * rows + step[1]) * pitch + step[2]]
    order = np.lexsort((-neighbors, ids))
    sizes = np.bincount(ids, minlength=regions.count)
    begins = np.cumsum(sizes) - sizes
    rank = np.empty(len(places), np.int64)
    rank[order] = np.arange(len(places)) - begins[ids[order]]
    return rank < np.ceil(sizes / 3)[ids]


def dark_surroundings(regions: Regions, image: np.ndarray, chosen: np.ndarray, threshold: float) -> np.ndarray:
    """(R,) share of the voxels that touch a region from outside, by a face, whose value is below the threshold.

    Args:
        image: the whole image, K-J-I.
        chosen: (R,) bool, the regions asked about (small ones); NaN for the others.
    """
    places = np.flatnonzero(chosen[regions.ids])
    _, rows, pitch = regions.mask.shape
    at, owner = regions.local[places], regions.ids[places]
    near = np.concatenate([at + step for step in (1, -1, pitch, -pitch, rows * pitch, -rows * pitch)])
    pairs = np.unique(np.stack([np.tile(owner, 6), near])[:, ~regions.mask.reshape(-1)[near]], axis=1)
    where = np.stack(np.unravel_index(pairs[1], regions.mask.shape)) + regions.start[:, None]
    inside = ((where >= 0) & (where < np.array(image.shape)[:, None])).all(0)
    owner, values = pairs[0, inside], image[tuple(where[:, inside])]
    total = np.bincount(owner, minlength=regions.count)
    dark = np.bincount(owner, weights=values < threshold, minlength=regions.count)
    return np.divide(dark, total, out=np.full(regions.count, np.nan), where=total > 0)
