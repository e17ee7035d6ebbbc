"""What a contour would cut apart, joined: voxels that touch by an edge or a corner, and lumps on a thin thread."""

from __future__ import annotations

from itertools import permutations

import numpy as np

_HALF = [d for d in np.ndindex(3, 3, 3) if d > (1, 1, 1)]
_DIAGONAL = [d for touching in (2, 3) for d in _HALF if sum(n != 1 for n in d) == touching]
"""Half of the 12 neighbors by an edge, then half of the 8 by a corner; each number is one too high."""
_REACH, _MOST = 10, 30
"""Samples within which a lump finds the body it hangs on, and so many lumps at most."""


def bridged(pieces: np.ndarray) -> np.ndarray:
    """The 26-connected pieces, each made 6-connected by as few voxels as that takes.

    Args:
        pieces: (K, J, I) number of the piece, 0 outside, with an empty margin of a voxel.

    Returns:
        the same with the added voxels; these keep away from other pieces where they can.
    """
    import cc3d

    from PreopReviewLib.images.counting import label_counts

    parts, count = cc3d.connected_components(np.require(pieces, requirements="CW"), connectivity=6, return_N=True)
    if count == np.count_nonzero(label_counts(pieces)[1:]):
        return pieces
    joined = pieces.copy()
    flat = parts.ravel()
    # One of two parts that touch is not the largest: only its voxels are looked at, which are few.
    sizes = label_counts(parts)
    small = np.flatnonzero((flat != 0) & (flat != 1 + sizes[1:].argmax()))
    group = list(range(count + 1))

    def root(n: int) -> int:
        while group[n] != n:
            group[n] = group[group[n]]
            n = group[n]
        return n

    for step in _DIAGONAL:
        move = np.array(step) - 1
        way = int(np.ravel_multi_index(move + 1, parts.shape) - np.ravel_multi_index((1, 1, 1), parts.shape))
        at = np.unique(np.concatenate([small, small - way]))
        here, there = flat[at].astype(np.int64), flat[at + way].astype(np.int64)
        touching = (here > 0) & (there > 0) & (here != there)
        at = at[touching]
        pairs, first = np.unique(here[touching] * (count + 1) + there[touching], return_index=True)
        for pair, n in zip(pairs.tolist(), first.tolist(), strict=True):
            a, b = root(pair // (count + 1)), root(pair % (count + 1))
            if a == b:
                continue
            group[a] = b
            start = np.array(np.unravel_index(at[n], parts.shape))
            _bridge(joined, start, move)
    return joined


def _bridge(pieces: np.ndarray, start: np.ndarray, move: np.ndarray) -> None:
    """Fills the way from a voxel to its neighbor that comes nearest to no other piece."""
    own = pieces[tuple(start)]
    best, least = [], None
    for order in permutations(np.flatnonzero(move)):
        way, place = [], start.copy()
        for axis in order[:-1]:
            place[axis] += move[axis]
            way.append(tuple(int(v) for v in place))
        foreign = sum(_foreign(pieces, voxel, own) for voxel in way)
        if least is None or foreign < least:
            best, least = way, foreign
    for voxel in best:
        pieces[voxel] = own


def _foreign(pieces: np.ndarray, voxel: tuple[int, ...], own: int) -> int:
    around = pieces[tuple(slice(max(v - 1, 0), v + 2) for v in voxel)]
    return int(np.count_nonzero((around > 0) & (around != own)))


def with_threads(field: np.ndarray, step: float) -> np.ndarray:
    """The distance with the threads on which lumps hang on the largest body, where its samples lie too far apart.

    Args:
        field: (K, J, I) mm, positive inside.
        step: mm between samples.

    Returns:
        the same with the samples along each thread inside; unchanged where a lump is too far from the body.
    """
    import cc3d
    from skimage.graph import MCP

    from PreopReviewLib.images.counting import label_counts

    parts = cc3d.connected_components(np.require(field > 0, requirements="CW"), connectivity=6)
    order = np.argsort(label_counts(parts)[1 : int(parts.max()) + 1])[::-1] + 1
    if not 2 <= len(order) <= _MOST + 1:
        return field
    joined, body = field.copy(), parts == order[0]
    for lump in order[1:]:
        inside = np.argwhere(parts == lump)
        box = tuple(
            slice(max(0, low - _REACH), high + _REACH + 1)
            for low, high in zip(inside.min(0), inside.max(0), strict=True)
        )
        if not body[box].any():
            return field
        search = MCP(1 + 100 * np.maximum(-joined[box] / step, 0), fully_connected=False)
        costs = search.find_costs([inside[0] - [b.start for b in box]])[0]
        end = np.unravel_index(np.argmin(np.where(body[box], costs, np.inf)), costs.shape)
        way = tuple(np.array(search.traceback(end)).T)
        joined[box][way] = np.maximum(joined[box][way], 0.4 * step)
        body |= parts == lump
        body[box][way] = True
    return joined
