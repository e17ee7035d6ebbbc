"""Growing and rasterizing vessel trees: named curves, space colonisation, Murray's law, partial volumes.

Space colonisation: Runions et al., "Modeling trees with a space colonization algorithm" (2007). Murray's law with
exponent g: r_parent^g = sum of r_child^g. Points are (n, 3), in mm along K, J, I of the anatomy's grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class VesselTree:
    """A tree of center-line points.

    Attributes:
        points: (N, 3) mm, K-J-I.
        parents: (N,) index of each point's parent, -1 at a root.
        radii: (N,) mm.
        main: (N,) bool, see `main_branches`.
    """

    points: np.ndarray
    parents: np.ndarray
    radii: np.ndarray
    main: np.ndarray


@dataclass
class Sketch:
    """Named large vessels, drawn before the fine branches grow."""

    points: list[np.ndarray] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def root(self, point: np.ndarray) -> int:
        """Start a vessel; returns its index."""
        self.points.append(np.asarray(point, float))
        self.parents.append(-1)
        return len(self.points) - 1

    def curve(
        self, start: int, through: Sequence[np.ndarray], rng: np.random.Generator, wobble: float = 1.0
    ) -> tuple[int, list[int]]:
        """Append a smooth, slightly wandering line from point `start` through the given ones (mm).

        Returns:
            index of the last point, and the indices of all new ones.
        """
        from scipy import ndimage

        corners = np.vstack([self.points[start], *through])
        along = np.linspace(0, 1, len(corners))
        length = np.linalg.norm(np.diff(corners, axis=0), axis=1).sum()
        count = max(4, int(length / 2.4))
        line = np.stack([np.interp(np.linspace(0, 1, count), along, corners[:, a]) for a in range(3)], 1)
        if count > 7:
            padded = np.pad(line, ((6, 6), (0, 0)), mode="reflect", reflect_type="odd")
            line = ndimage.gaussian_filter1d(padded, 3, axis=0)[6:-6]
        sway = ndimage.gaussian_filter1d(rng.standard_normal((count, 3)), 4, axis=0) * (5 * wobble)
        line = line + np.sin(np.linspace(0, np.pi, count))[:, None] * sway
        line += self.points[start] - line[0]
        added, last = [], start
        for point in line[1:]:
            self.points.append(point)
            self.parents.append(last)
            last = len(self.points) - 1
            added.append(last)
        return last, added


def colonise(
    rng: np.random.Generator, attractors: np.ndarray, sketch: Sketch, step: float, kill: float, most: int = 6000
) -> tuple[np.ndarray, np.ndarray]:
    """Grow branches from the sketch towards attractors until each is reached within `kill` mm.

    Returns:
        points (N, 3) mm and parents (N,); parents always come before their children.
    """
    from scipy.spatial import cKDTree

    points, parents = np.array(sketch.points, float), list(sketch.parents)
    distance, nearest = cKDTree(points).query(attractors)
    alive = distance > kill
    for _ in range(200):
        if not alive.any() or len(points) > most:
            break
        pull = attractors[alive] - points[nearest[alive]]
        pull /= np.linalg.norm(pull, axis=1, keepdims=True) + 1e-9
        tips, where = np.unique(nearest[alive], return_inverse=True)
        heading = np.zeros((len(tips), 3))
        np.add.at(heading, where, pull)
        heading += rng.standard_normal(heading.shape) * 0.25
        heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
        new = points[tips] + step * heading
        first = len(points)
        points = np.vstack([points, new])
        parents += tips.tolist()
        gap, index = cKDTree(new).query(attractors)
        closer = gap < distance
        distance[closer], nearest[closer] = gap[closer], index[closer] + first
        alive &= distance > kill
    return points, np.array(parents)


def murray(parents: np.ndarray, root_radius: float, exponent: float, least: float) -> np.ndarray:
    """Radii (mm) by Murray's law from equal tips, scaled to the first root's radius, at least `least`."""
    tips = np.bincount(parents[parents >= 0], minlength=len(parents)) == 0
    flow = tips.astype(float)
    for point in range(len(parents) - 1, -1, -1):
        if parents[point] >= 0:
            flow[parents[point]] += flow[point]
    share = flow ** (1 / exponent)
    return np.maximum(root_radius * share / share[0], least)


def raise_radius(radii: np.ndarray, line: list[int], first: float, last: float) -> None:
    """Give a named vessel at least radii tapering from `first` to `last` mm, in place."""
    if line:
        radii[line] = np.maximum(radii[line], np.linspace(first, last, len(line)))


def main_branches(parents: np.ndarray, radii: np.ndarray, least: np.ndarray | float) -> np.ndarray:
    """Points reached from a root through points of radius >= `least` mm.

    Not an order: in portal trees this goes on into segmental branches, in hepatic ones into thick tributaries. The
    share of the volume is near the one that Oh 2023's Table 3 implies for the portal vein.
    """
    main = radii >= least
    for point, parent in enumerate(parents):
        if parent >= 0:
            main[point] &= main[parent]
    return main


def rasterize(
    shape: Sequence[int], spacing: float, points: np.ndarray, parents: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """The share of each voxel that lies inside the tubes of a tree.

    Args:
        shape: grid (K, J, I).
        spacing: voxel edge, mm.
        points: (N, 3) mm.
        parents: (N,), -1 for points that end no segment.
        radii: (N,) mm.

    Returns:
        float32 (K, J, I), 0 to 1.
    """
    ends = np.flatnonzero(parents >= 0)
    out = np.zeros(int(np.prod(shape)), np.float32)
    if len(ends) == 0:
        return out.reshape(shape)
    a, b = points[parents[ends]] / spacing, points[ends] / spacing
    ra, rb = radii[parents[ends]] / spacing, radii[ends] / spacing
    length = np.linalg.norm(b - a, axis=1)
    for many in range(1, 9):
        chosen = np.clip(np.ceil(length / 0.5), 1, 8) == many
        if chosen.any():
            t = (np.arange(many) + 0.5) / many
            centers = (a[chosen, None] * (1 - t[:, None]) + b[chosen, None] * t[:, None]).reshape(-1, 3)
            _stamp(out, shape, centers, (ra[chosen, None] * (1 - t) + rb[chosen, None] * t).ravel())
    return out.reshape(shape)


def _stamp(out: np.ndarray, shape: Sequence[int], centers: np.ndarray, radii: np.ndarray) -> None:
    """Raise `out` (flat) to the voxel fractions of balls, grouped by size so that each is one array operation."""
    sizes = np.ceil(radii + 0.5).astype(int)
    for size in np.unique(sizes):
        of_size = np.flatnonzero(sizes == size)
        ball = np.argwhere(np.ones((2 * size + 1,) * 3, bool)) - size
        ball = ball[(ball**2).sum(1) <= (size + 0.9) ** 2]
        for part in np.array_split(of_size, max(1, len(of_size) * len(ball) // 2_000_000)):
            middle = np.rint(centers[part])
            voxels = middle[:, None].astype(np.int64) + ball[None]
            away = np.linalg.norm(ball[None] - (centers[part] - middle)[:, None], axis=2)
            radius = radii[part, None]
            share = np.clip(radius - away + 0.5, 0, 1) * np.minimum(1, (2 * radius) ** 1.5)
            keep = (share > 0) & ((voxels >= 0) & (voxels < np.array(shape))).all(2)
            flat = np.ravel_multi_index(tuple(voxels[keep].T), tuple(shape))
            np.maximum.at(out, flat, share[keep].astype(np.float32))
