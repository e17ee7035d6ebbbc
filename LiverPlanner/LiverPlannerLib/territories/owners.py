"""For every liver voxel the point of a center line that is nearest inside the liver, thicker branches reaching farther.

Distances are power distances to a ball, d^2 - r^2. Where the straight way to the nearest point leaves the liver (a
fissure, a notch, a second lobe), the way inside the liver decides (shortest paths over the 26 neighbors of a voxel).
"""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.segmentation import morphology
from PreopReviewLib.nearest import nearest

CANDIDATES = 4
"""Nearest points among which the power distance chooses: radii along a branch differ little."""
STEP_MM = 1.5
AT_ONCE = 400_000
"""Voxels that are looked at together."""


def nearest_points(positions: np.ndarray, points: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each position (n, 3) the point of least power distance, straight through everything, and its distance, mm."""
    from scipy.spatial import cKDTree

    near = min(CANDIDATES, len(points))
    distance, index = nearest(cKDTree(points), positions, k=near)
    distance, index = distance.reshape(-1, near), index.reshape(-1, near)
    best = (distance**2 - radii[index] ** 2).argmin(axis=1)
    rows = np.arange(len(index))
    return index[rows, best], distance[rows, best]


class Voxels:
    """The voxels of a mask in the order of `np.argwhere`, whose three indices are made when they are asked for."""

    def __init__(self, mask: np.ndarray) -> None:
        self._flat, self._shape = np.flatnonzero(mask), mask.shape

    def __len__(self) -> int:
        return len(self._flat)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        """(n, 3) K, J, I."""
        return np.stack(np.unravel_index(self._flat[chosen], self._shape), axis=1)


def owners(
    liver: np.ndarray, spacing: np.ndarray, points: np.ndarray, radii: np.ndarray, passable: np.ndarray | None = None
) -> np.ndarray:
    """The owning point of every liver voxel.

    Args:
        liver: (K, J, I) boolean.
        spacing: mm, K, J, I.
        points: (N, 3) center-line points in voxels of `liver`, K, J, I; may be fractional or outside.
        radii: (N,) mm.
        passable: what ways may lead through besides the liver, e.g. the vessels themselves.

    Returns:
        (n,) int32 indices of points, in the order of `np.argwhere(liver)`. Liver that no way inside reaches takes the
        straight one.
    """
    voxels = Voxels(liver)
    open_to = liver if passable is None else liver | passable
    owner = np.empty(len(voxels), np.int32)
    distance = np.empty(len(voxels), np.float32)
    seen = np.empty(len(voxels), bool)
    places = points * spacing
    room = _room(open_to, spacing)
    for first in range(0, len(voxels), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        at = voxels[some]
        owner[some], distance[some] = nearest_points(at * spacing, places, radii)
        seen[some] = _visible(room, at, points[owner[some]], distance[some], spacing)
    hidden = ~seen
    if hidden.any() and seen.any():
        _around_corners(liver, spacing, voxels, owner, np.maximum(distance - radii[owner], 0.0), hidden)
    return owner


def _room(open_to: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance (float32, mm) from each voxel to the nearest one that is not open; 0 there."""
    room = morphology.distance(open_to, spacing.tolist())
    return np.minimum(room, np.float32(1e6), out=room)  # infinite where everything is open


def _visible(
    room: np.ndarray, voxels: np.ndarray, targets: np.ndarray, distance: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Whether the straight way from each voxel to its target stays inside.

    The way is looked at every `STEP_MM`, but for the places that are open because a place before them has enough room
    around it. The last voxel before the target may be missing: center lines have jitter, and trunks leave the liver.

    Args:
        room: of `_room`.
    """
    seen = np.ones(len(voxels), bool)
    steps = np.maximum(np.ceil(distance / STEP_MM).astype(np.int64), 1)
    last = np.array(room.shape) - 1
    flat = room.ravel()
    k_step, j_step = room.shape[1] * room.shape[2], room.shape[2]
    way = (targets - voxels).astype(np.float32)
    length = np.maximum(np.linalg.norm(way * spacing, axis=1) / steps, 1e-6)
    half = float(np.linalg.norm(spacing)) / 2  # a place can lie so far from the middle of its voxel
    free = flat[voxels @ np.array([k_step, j_step, 1])] - half
    number = 1 + np.maximum((free - 1e-3) / length, 0.0).astype(np.int64)
    alive = np.flatnonzero(number < steps - 1)
    while len(alive):
        at = voxels[alive] + way[alive] * (number[alive] / steps[alive]).astype(np.float32)[:, None]
        at = np.clip(np.rint(at).astype(np.int64), 0, last)
        here = flat[at[:, 0] * k_step + at[:, 1] * j_step + at[:, 2]]
        inside = here > 0
        seen[alive[~inside]] = False
        alive, here = alive[inside], here[inside]
        number[alive] += 1 + np.maximum((here - 2 * half - 1e-3) / length[alive], 0.0).astype(np.int64)
        alive = alive[number[alive] < steps[alive] - 1]
    return seen


def _around_corners(
    liver: np.ndarray,
    spacing: np.ndarray,
    voxels: Voxels,
    owner: np.ndarray,
    start: np.ndarray,
    hidden: np.ndarray,
) -> None:
    """Gives hidden voxels the owner of the seen voxel that the shortest way inside the liver leads to, in place."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    number = np.full(liver.shape, -1, np.int32)
    number[liver] = np.arange(len(voxels), dtype=np.int32)
    rows, columns, lengths = _links(number, voxels, np.flatnonzero(hidden), spacing)
    rim = np.unique(columns[~hidden[columns]])
    if not len(rim):
        return
    used = np.unique(np.concatenate([rows, columns]))
    local = np.full(len(voxels), -1, np.int64)
    local[used] = np.arange(len(used))
    source = len(used)  # one source before all seen voxels, as far from them as they are from their vessel
    a = np.concatenate([np.full(len(rim), source), local[columns]])
    b = np.concatenate([local[rim], local[rows]])
    length = np.concatenate([start[rim] + 1e-3, lengths])
    graph = coo_matrix((length, (a, b)), shape=(source + 1, source + 1)).tocsr()
    before = dijkstra(graph, indices=source, return_predecessors=True)[1]
    origin = np.where(before == source, np.arange(source + 1), before)
    origin[origin < 0] = source
    origin[source] = source
    while True:  # pointer jumping to the seen voxel at the beginning of each way
        further = origin[origin]
        if np.array_equal(further, origin):
            break
        origin = further
    reached = hidden[used] & (origin[:-1] != source)
    owner[used[reached]] = owner[used[origin[:-1][reached]]]


def _links(
    number: np.ndarray, voxels: Voxels, hidden: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From hidden voxels to each of their 26 neighbors in the liver: numbers of both and their distances, mm."""
    rows, columns, lengths = [], [], []
    last = np.array(number.shape) - 1
    places = voxels[hidden]
    for shift in np.ndindex(3, 3, 3):
        step = np.array(shift) - 1
        if not step.any():
            continue
        at = places + step
        inside = ((at >= 0) & (at <= last)).all(axis=1)
        other = np.full(len(hidden), -1, np.int32)
        other[inside] = number[tuple(at[inside].T)]
        there = other >= 0
        rows.append(hidden[there])
        columns.append(other[there])
        lengths.append(np.full(int(there.sum()), np.linalg.norm(step * spacing)))
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(lengths)
