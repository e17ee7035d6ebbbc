"""Independent regions of a lesion mask: sparse labeling, eroded core, centroids.

A lesion mask fills a fraction of a percent of a CT, so everything here works on the list of its voxels and on
runs along a row, not on the volume: after one pass that finds the occupied box, the time depends on the
lesions and not on the size of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        heads: positions in that list where a run along I begins.
        ids: (n,) its region, from 0; region 0 is the largest.
        count: number of regions.
        centroids: (count, 3) mean voxel coordinate in the image, K-J-I.
    """

    shape: tuple[int, int, int]
    mask: np.ndarray
    start: np.ndarray
    local: np.ndarray
    index: np.ndarray
    heads: np.ndarray
    ids: np.ndarray
    count: int
    centroids: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Voxels of each region."""
        return np.bincount(self.ids, minlength=self.count)

    def voxels(self, region: int) -> np.ndarray:
        """(m, 3) K-J-I voxels of one region in the image."""
        return np.stack(np.unravel_index(self.index[self.ids == region], self.shape), 1)


def find_regions(
    array: np.ndarray, values: tuple[int, ...] = (1,), box: tuple[slice, slice, slice] | None = None
) -> Regions:
    """The 26-connected regions of the voxels that hold one of the values, largest first.

    Connectivity is not stated by Lin 2024; 26 keeps a lesion whole that is thin in one slice.

    Args:
        array: K-J-I integer array.
        values: the label values that count, together, as lesion.
        box: a box that holds all of them; found if not given.
    """
    box = box or occupied_box(array)
    part = array[box]
    mask = np.zeros(np.add(part.shape, 2), bool)
    start = np.array([s.start - 1 for s in box])
    head, lengths = _mark_runs(mask, part, values)
    if len(head) == 0:
        return Regions(array.shape, mask, start, head, head, head, head, 0, np.zeros((0, 3)))
    of_run, count = _label_runs(head, lengths, mask.shape)
    first = np.stack(np.unravel_index(head, mask.shape)) + start[:, None]
    shift = np.ravel_multi_index(tuple(first), array.shape) - head
    heads = np.cumsum(lengths) - lengths
    local = np.arange(heads[-1] + lengths[-1]) + np.repeat(head - heads, lengths)
    middle = first + np.stack([0 * lengths, 0 * lengths, (lengths - 1) / 2])
    sizes = np.bincount(of_run, weights=lengths, minlength=count)
    centroids = np.stack([np.bincount(of_run, weights=c * lengths, minlength=count) for c in middle], 1)
    return Regions(
        shape=array.shape,
        mask=mask,
        start=start,
        local=local,
        index=local + np.repeat(shift, lengths),
        heads=heads,
        ids=np.repeat(of_run, lengths),
        count=count,
        centroids=centroids / sizes[:, None],
    )


def _mark_runs(mask: np.ndarray, part: np.ndarray, values: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Sets the mask, which has an empty layer around `part`, where `part` holds one of the values.

    Returns:
        First voxel (flat index in the mask) and length of each run along I.
    """
    size, found = mask[0].size, [np.zeros(0, np.int64)]
    edges = np.zeros(size, bool)
    for k, layer in enumerate(part, start=1):  # one after the other, because a layer stays in the cache
        inside = mask[k, 1:-1, 1:-1]
        np.equal(layer, values[0], out=inside)
        for value in values[1:]:
            inside |= layer == value
        flat = mask[k].reshape(-1)
        np.not_equal(flat[1:], flat[:-1], out=edges[1:])
        found.append(np.flatnonzero(edges) + k * size)
    places = np.concatenate(found)
    return places[::2], places[1::2] - places[::2]


def occupied_box(array: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box that holds every voxel that is not 0; empty slices where there is none."""
    # Eight bytes at a time: most of the volume is background, and these are the only passes over all of it.
    array = np.ascontiguousarray(array)
    per_word = 8 // array.itemsize
    exact = array.shape[2] % per_word != 0
    words = array if exact else array.view(np.uint64)
    # Eight rows at once first, because numpy is slow with short inner loops.
    together = 8 if words.shape[1] % 8 == 0 else 1
    folded = words.reshape(len(words), together, words.shape[1] // together * words.shape[2])
    folded = np.bitwise_or.reduce(folded, axis=1).reshape(len(words), -1, words.shape[2])
    plane = np.bitwise_or.reduce(folded, axis=1)
    layers, columns = _extent(plane.any(axis=1)), _extent(plane.any(axis=0))
    rows = _extent(np.bitwise_or.reduce(words[layers, :, columns], axis=0).any(axis=1))
    if not exact:
        columns = slice(columns.start * per_word, columns.stop * per_word)
    return layers, rows, columns


def _extent(hit: np.ndarray) -> slice:
    places = np.flatnonzero(hit)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def _label_runs(head: np.ndarray, lengths: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Region of each run (flat index of its first voxel, length), the largest being 0; and their number."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    source, target = _touching_runs(head, head + lengths - 1, shape)
    graph = coo_matrix((np.ones(len(source), bool), (source, target)), shape=(len(lengths), len(lengths)))
    count, of_run = connected_components(graph, directed=False)
    sizes = np.bincount(of_run, weights=lengths, minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return rank[of_run], count


def _touching_runs(head: np.ndarray, tail: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of runs that touch by a face, an edge or a corner; the empty margin keeps rows from wrapping."""
    _, rows, pitch = shape
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for step in (1, rows - 1, rows, rows + 1):
        low = np.searchsorted(tail, head + step * pitch - 1, "left")
        high = np.searchsorted(head, tail + step * pitch + 1, "right")
        hits = np.maximum(high - low, 0)
        source = np.repeat(np.arange(len(head)), hits)
        before = np.cumsum(hits) - hits
        pairs.append((source, np.repeat(low - before, hits) + np.arange(len(source))))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


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
    inner[regions.heads] = inner[regions.heads - 1] = False  # the ends of the runs: the last one is at -1
    for step in (pitch, rows * pitch):  # neighbors by a face are of the same region
        for towards in (np.add, np.subtract):
            solid.take(towards(at, step, out=near), out=hit, mode="clip")  # the margin keeps all in range
            inner &= hit
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
